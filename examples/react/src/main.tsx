import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Session } from "./session";
import "./style.css";

const session = new Session();
if (window.self === window.top) {
  createRoot(document.querySelector("main")!).render(
    <StrictMode>
      <App session={session} />
    </StrictMode>,
  );
}
void session.start();
