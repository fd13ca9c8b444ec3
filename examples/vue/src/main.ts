import { createApp } from "vue";
import App from "./App.vue";
import { Session } from "./session";
import "./style.css";

const session = new Session();
if (window.self === window.top) createApp(App, { session }).mount("main");
void session.start();
