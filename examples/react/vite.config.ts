import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The provider knows this address and no other, so a port in use is an error and not a reason for the next one.
export default defineConfig({ plugins: [react()], server: { port: 5173, strictPort: true } });
