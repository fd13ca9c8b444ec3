// The page of the backend. It knows no token, no provider and no other origin than its own.

const $ = (id) => document.getElementById(id);

/** Every call carries a header that no other site's page can send. */
async function call(path, method = "GET", body = undefined) {
  const headers = { "X-BFF": "1", ...(body && { "Content-Type": "application/json" }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) show(null, "You have been signed out.");
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}

function show(name, problem = "") {
  $("out").hidden = name !== null;
  $("in").hidden = name === null;
  $("user").textContent = name ?? "";
  say(problem);
}

function say(problem) {
  $("problem").textContent = problem;
  $("problem").hidden = problem === "";
}

async function load() {
  const notes = await call("/api/notes");
  $("notes").replaceChildren(...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note.text })));
  say("");
}

/** Run `work` whenever it is asked for, and say what goes wrong. */
function when(id, event, work) {
  $(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    work().catch(wrong);
  });
}

function wrong(error) {
  if (!$("in").hidden) say(error.message);
}

when("reload", "click", load);
when("new", "submit", async () => {
  await call("/api/notes", "POST", { text: $("text").value });
  $("text").value = "";
  await load();
});
when("sign-out", "click", async () => {
  location.assign((await call("/bff/sign-out", "POST")).location);
});

const problem = new URL(location).searchParams.get("problem");
history.replaceState(null, "", "/");
try {
  const { name } = await call("/bff/user");
  show(name, problem ? `Nobody was signed in: ${problem}.` : "");
  if (name) await load();
} catch (error) {
  show(null, error.message);
}
