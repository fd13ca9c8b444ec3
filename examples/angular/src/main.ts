import { provideZonelessChangeDetection } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import { App } from "./app";
import { Session } from "./session";

const session = new Session();
if (window.self === window.top) {
  void bootstrapApplication(App, {
    providers: [provideZonelessChangeDetection(), { provide: Session, useValue: session }],
  });
}
void session.start();
