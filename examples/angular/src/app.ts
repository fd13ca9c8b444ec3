import { Component, DestroyRef, inject, signal } from "@angular/core";
import { NotesList } from "./notes-list";
import { Session } from "./session";

@Component({
  selector: "main",
  imports: [NotesList],
  template: `
    @let now = state();
    @if (now.at === "starting") {
      <p role="status">One moment.</p>
    } @else if (now.at === "out") {
      <h1>Notes</h1>
      <p id="nobody">Nobody is signed in here.</p>
      @if (now.problem) {
        <p class="notice" role="alert">{{ now.problem }}</p>
      }
      <nav><button class="main" id="sign-in" (click)="session.signIn()">Sign in</button></nav>
    } @else {
      <h1>Notes</h1>
      <p>Signed in as <strong id="user">{{ now.name }}</strong>.</p>
      <notes-list />
      <p class="soft" id="tokens">
        This tab has had {{ now.tokens }} access {{ now.tokens === 1 ? "token" : "tokens" }}, the last one until
        {{ now.until.toLocaleTimeString() }}.
      </p>
      <nav><button id="sign-out" (click)="session.signOut()">Sign out</button></nav>
    }
  `,
})
export class App {
  readonly session = inject(Session);
  readonly state = signal(this.session.state);

  constructor() {
    inject(DestroyRef).onDestroy(this.session.subscribe(() => this.state.set(this.session.state)));
  }
}
