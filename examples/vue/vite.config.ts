import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// The provider knows this address and no other, so a port in use is an error and not a reason for the next one.
export default defineConfig({ plugins: [vue()], server: { port: 5174, strictPort: true } });
