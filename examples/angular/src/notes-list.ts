import { Component, inject, signal } from "@angular/core";
import { addNote, listNotes, type Note } from "./notes";
import { Session, words } from "./session";

@Component({
  selector: "notes-list",
  template: `
    @if (notes()?.length === 0) {
      <p class="soft">No note yet.</p>
    }
    <ul id="notes">
      @for (note of notes(); track note.id) {
        <li>{{ note.text }}</li>
      }
    </ul>
    @if (problem()) {
      <p class="notice" role="alert">{{ problem() }}</p>
    }
    <form (submit)="$event.preventDefault(); add(text)">
      <label for="text">New note</label>
      <input #text id="text" required maxlength="200" autocomplete="off" />
      <button class="main" id="add">Add</button>
      <button type="button" id="reload" (click)="load()">Load again</button>
    </form>
  `,
})
export class NotesList {
  private readonly session = inject(Session);
  readonly notes = signal<Note[] | undefined>(undefined);
  readonly problem = signal("");

  constructor() {
    void this.load();
  }

  async load(): Promise<void> {
    try {
      this.notes.set(await listNotes(this.session));
      this.problem.set("");
    } catch (error) {
      this.problem.set(words(error));
    }
  }

  async add(text: HTMLInputElement): Promise<void> {
    try {
      await addNote(this.session, text.value);
      text.value = "";
      await this.load();
    } catch (error) {
      this.problem.set(words(error));
    }
  }
}
