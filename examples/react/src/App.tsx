import { useCallback, useEffect, useState, useSyncExternalStore, type FormEvent } from "react";
import { addNote, listNotes, type Note } from "./notes";
import { words, type Session } from "./session";

export function App({ session }: { session: Session }) {
  const state = useSyncExternalStore(session.subscribe, () => session.state);
  if (state.at === "starting") return <p role="status">One moment.</p>;
  if (state.at === "out") {
    return (
      <>
        <h1>Notes</h1>
        <p id="nobody">Nobody is signed in here.</p>
        {state.problem && <p className="notice" role="alert">{state.problem}</p>}
        <nav><button className="main" id="sign-in" onClick={() => session.signIn()}>Sign in</button></nav>
      </>
    );
  }
  return (
    <>
      <h1>Notes</h1>
      <p>Signed in as <strong id="user">{state.name}</strong>.</p>
      <Notes session={session} />
      <p className="soft" id="tokens">
        This tab has had {state.tokens} access {state.tokens === 1 ? "token" : "tokens"}, the last one until{" "}
        {state.until.toLocaleTimeString()}.
      </p>
      <nav><button id="sign-out" onClick={() => session.signOut()}>Sign out</button></nav>
    </>
  );
}

function Notes({ session }: { session: Session }) {
  const [notes, setNotes] = useState<Note[]>();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");

  const load = useCallback(async () => {
    try {
      setNotes(await listNotes(session));
      setProblem("");
    } catch (error) {
      setProblem(words(error));
    }
  }, [session]);
  useEffect(() => void load(), [load]);

  async function add(event: FormEvent) {
    event.preventDefault();
    try {
      await addNote(session, text);
      setText("");
      await load();
    } catch (error) {
      setProblem(words(error));
    }
  }

  return (
    <>
      {notes?.length === 0 && <p className="soft">No note yet.</p>}
      <ul id="notes">{notes?.map((note) => <li key={note.id}>{note.text}</li>)}</ul>
      {problem && <p className="notice" role="alert">{problem}</p>}
      <form onSubmit={add}>
        <label htmlFor="text">New note</label>
        <input id="text" value={text} onChange={(event) => setText(event.target.value)} required maxLength={200} autoComplete="off" />
        <button className="main" id="add">Add</button>
        <button type="button" id="reload" onClick={load}>Load again</button>
      </form>
    </>
  );
}
