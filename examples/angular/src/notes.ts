/** The API of examples/fastapi: a person's notes. */
import type { Session } from "./session";

export interface Note {
  id: number;
  text: string;
}

export async function listNotes(session: Session): Promise<Note[]> {
  return said(await session.call("/notes"));
}

export async function addNote(session: Session, text: string): Promise<Note> {
  const headers = { "Content-Type": "application/json" };
  return said(await session.call("/notes", { method: "POST", headers, body: JSON.stringify({ text }) }));
}

async function said<T>(answer: Response): Promise<T> {
  if (!answer.ok) throw new Error(`The API answered ${answer.status}.`);
  return answer.json();
}
