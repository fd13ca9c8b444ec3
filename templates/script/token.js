// Takes a token apart in the page. The page's policy allows no connection and no form: nothing typed here can leave.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const box = at("token-text");
  const language = document.documentElement.lang;
  const said = (list, name) => {
    const found = [...at(list).content.querySelectorAll("[data-name]")].find((one) => one.dataset.name === name);
    return found ? { text: found.textContent.trim(), source: found.dataset.source || "" } : null;
  };
  const keys = JSON.parse(at("token-keys").dataset.keys).keys;
  const TIMES = ["exp", "nbf", "iat", "auth_time", "updated_at"];
  const ALGORITHMS = {
    RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
    PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
    ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
    EdDSA: { name: "Ed25519" },
    Ed25519: { name: "Ed25519" },
  };
  const MEMBERS = ["kty", "n", "e", "crv", "x", "y"];
  let turn = 0;

  const bytes = (part) => {
    const padded = part.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat(-part.length & 3);
    return Uint8Array.from(atob(padded), (letter) => letter.charCodeAt(0));
  };
  const object = (part) => {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes(part)));
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new SyntaxError();
    return value;
  };
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  const date = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  const distance = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const moment = (seconds) => {
    const off = Math.round(seconds - Date.now() / 1000);
    const [unit, size] = UNITS.find(([, length]) => Math.abs(off) >= length) || UNITS[3];
    return `${date.format(seconds * 1000)}, ${distance.format(Math.trunc(off / size), unit)}`;
  };
  const isMoment = (name, value) => TIMES.includes(name) && typeof value === "number" && Math.abs(value) < 8.64e12;
  const tick = () => document.querySelectorAll("[data-at]").forEach((one) => {
    one.textContent = moment(Number(one.dataset.at));
  });

  const rows = (list, members) => {
    at(list).replaceChildren(...Object.entries(members).map(([name, value]) => {
      const row = document.createElement("div");
      const says = document.createElement("dd");
      says.append(element("code", JSON.stringify(value)));
      if (isMoment(name, value)) {
        const time = element("p", "", "when");
        time.dataset.at = value;
        says.append(time);
      }
      const known = said("token-words", name);
      if (known) {
        const words = element("p", known.text, "note");
        words.append(" ", element("span", known.source, "source"));
        says.append(words);
      }
      row.append(element("dt", name), says);
      return row;
    }));
    tick();
  };

  const verdict = (name, detail, state) => {
    const words = said("token-messages", name).text;
    at("token-verdict").textContent = detail ? `${words} ${detail}` : words;
    at("token-verdict").className = `notice ${state}`;
  };
  const verify = async (header, parts) => {
    const mine = ++turn;
    const show = (...arguments_) => mine === turn && verdict(...arguments_);
    if (String(header.alg).toLowerCase() === "none") return show("unsigned", "", "problem");
    if (/^HS/.test(header.alg)) return show("shared", "", "problem");
    const how = ALGORITHMS[header.alg];
    if (!how) return show("algorithm", String(header.alg), "problem");
    const jwk = keys.find((key) => key.kid === header.kid && key.alg === header.alg);
    if (!jwk) return show("unknown", String(header.kid), "problem");
    if (!window.crypto || !crypto.subtle) return show("insecure", "", "problem");
    try {
      const plain = Object.fromEntries(MEMBERS.filter((name) => name in jwk).map((name) => [name, jwk[name]]));
      const key = await crypto.subtle.importKey("jwk", plain, how, false, ["verify"]);
      const message = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
      const good = await crypto.subtle.verify(how, key, bytes(parts[2]), message);
      show(good ? "good" : "bad", jwk.kid, good ? "" : "problem");
    } catch {
      show("algorithm", String(header.alg), "problem");
    }
  };

  const read = () => {
    const text = box.value.trim().replace(/^authorization:\s*/i, "").replace(/^(bearer|dpop)\s+/i, "");
    const parts = text.split(".");
    let header, claims;
    at("token-result").hidden = true;
    at("token-status").textContent = "";
    if (!text) return;
    try {
      if (parts.length !== 3) throw new SyntaxError();
      [header, claims] = [object(parts[0]), object(parts[1])];
      bytes(parts[2]);
    } catch {
      at("token-status").textContent = said("token-messages", parts.length === 1 ? "opaque" : "broken").text;
      return;
    }
    ["header", "payload", "signature"].forEach((name, index) => { at(`token-${name}`).textContent = parts[index]; });
    rows("token-header-rows", header);
    rows("token-payload-rows", claims);
    at("token-result").hidden = false;
    verdict("checking", "", "");
    verify(header, parts);
  };

  box.addEventListener("input", read);
  at("token-forget").addEventListener("click", () => { box.value = ""; read(); box.focus(); });
  const fragment = () => {
    if (location.hash.length < 2) return;
    box.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname); // a token has no place in an address bar
    read();
  };
  window.addEventListener("hashchange", fragment);
  setInterval(tick, 1000);
  at("token-tool").hidden = false;
  fragment();
  read();
})();
