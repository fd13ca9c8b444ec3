/**
 * Who is signed in at this page: the authorization code flow with PKCE, over oidc-client-ts.
 *
 * Tokens are in this tab's memory and nowhere else. Another tab has tokens of its own, so no two of them ever send one
 * refresh token. What a reload loses comes back without a question while the person is signed in at the provider.
 *
 * The same file serves the React, the Vue and the Angular example.
 */
import { ErrorResponse, ErrorTimeout, InMemoryWebStorage, UserManager, WebStorageStateStore, type User } from "oidc-client-ts";

/** What /config.json holds, so that one build runs anywhere. `resource` is the name of the API its tokens are for. */
interface Settings {
  issuer: string;
  client_id: string;
  api: string;
  resource: string;
  scope: string;
}

export type State =
  | { at: "starting" }
  | { at: "out"; problem?: string }
  | { at: "in"; name: string; tokens: number; until: Date };

export class SignedOut extends Error {
  override message = "Nobody is signed in any more.";
}

const REMEMBERED = "signed-in-before"; // that somebody was; not who, and no secret
const RENEW_BEFORE = 30; // seconds of life left
const NOBODY = ["login_required", "consent_required", "interaction_required", "account_selection_required"];

export class Session {
  state: State = { at: "starting" };
  private listeners = new Set<() => void>();
  private otherTabs = new BroadcastChannel("session");
  private settings!: Settings;
  private manager!: UserManager;
  private user?: User;
  private renewal?: Promise<User>;
  private tokens = 0;

  /** Find out who is here. Nothing is to be shown in a frame: that is ours, hidden, or a stranger's. */
  async start(): Promise<void> {
    try {
      this.settings = await (await fetch("/config.json")).json();
      this.manager = manager(this.settings);
      this.otherTabs.onmessage = () => this.end();
      if (location.pathname === "/callback") await this.answered(new URL(location.href));
      else if (localStorage.getItem(REMEMBERED)) await this.resume();
      else this.set({ at: "out" });
    } catch (error) {
      this.end(words(error));
    }
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  signIn(): Promise<void> {
    return this.manager.signinRedirect({ state: here() });
  }

  /** Out here, in the other tabs and at the provider, which tells every other app and ends the refresh tokens. */
  async signOut(): Promise<void> {
    localStorage.removeItem(REMEMBERED);
    this.otherTabs.postMessage("out");
    await this.manager.signoutRedirect();
  }

  /** Call the API. A token about to end is replaced before, one the API refuses after; a second refusal is yours. */
  async call(path: `/${string}`, init: RequestInit = {}): Promise<Response> {
    if (!this.user) throw new SignedOut();
    if ((this.user.expires_in ?? 0) < RENEW_BEFORE) await this.renew();
    const answer = await this.send(path, init, this.user);
    return answer.status === 401 ? this.send(path, init, await this.renew()) : answer;
  }

  private send(path: string, init: RequestInit, user: User): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${user.access_token}`);
    return fetch(this.settings.api + path, { ...init, headers });
  }

  /** One renewal at a time, however many calls wait for it: a refresh token is good once. */
  private renew(): Promise<User> {
    this.renewal ??= this.refreshed().finally(() => (this.renewal = undefined));
    return this.renewal;
  }

  private async refreshed(): Promise<User> {
    try {
      return this.again(await this.manager.signinSilent());
    } catch (error) {
      // Anything but a plain no decides nothing: a network that is away, a provider that is busy.
      if (!(error instanceof ErrorResponse) || error.error !== "invalid_grant") throw error;
    }
    try {
      // The refresh token is over. The sign-in it came from may live on, as after a night's sleep.
      return this.again(await this.manager.signinSilent({ forceIframeAuth: true }));
    } catch (error) {
      if (!nobody(error)) throw error;
      this.end("You have been signed out.");
      throw new SignedOut();
    }
  }

  private again(user: User | null): User {
    if (this.user) return this.welcome(user);
    this.end(); // another tab signed out meanwhile
    throw new SignedOut();
  }

  /** After a reload, or in a new tab: ask the provider in a hidden frame. */
  private async resume(): Promise<void> {
    try {
      this.welcome(await this.manager.signinSilent());
    } catch (error) {
      if (!nobody(error)) throw error;
      // A provider on another site sees no cookie in its frame. In the page itself it does.
      await this.manager.signinRedirect({ prompt: "none", redirectMethod: "replace", state: here() });
    }
  }

  private async answered(url: URL): Promise<void> {
    let back: unknown;
    try {
      // RFC 9207: a code of another provider is never taken to this one. The library does not look.
      if (url.searchParams.get("iss") !== this.settings.issuer) throw new Error("Another provider answered.");
      const user = await this.manager.signinCallback(); // in our hidden frame: tells the page around it, and no more
      if (!user) return;
      back = user.state;
      this.welcome(user);
    } catch (error) {
      back = error instanceof ErrorResponse ? error.state : "/";
      if (nobody(error)) localStorage.removeItem(REMEMBERED);
      this.end(nobody(error) ? undefined : words(error));
    }
    history.replaceState(null, "", typeof back === "string" ? back : "/"); // the code leaves the address bar
  }

  private welcome(user: User | null): User {
    if (!user) throw new Error("The provider sent no tokens.");
    this.user = user;
    this.tokens += 1;
    localStorage.setItem(REMEMBERED, "yes");
    const until = new Date((user.expires_at ?? 0) * 1000);
    this.set({ at: "in", name: user.profile.name ?? user.profile.sub, tokens: this.tokens, until });
    return user;
  }

  private end(problem?: string): void {
    this.user = undefined;
    void this.manager?.removeUser();
    this.set({ at: "out", problem });
  }

  private set(state: State): void {
    this.state = state;
    this.listeners.forEach((listener) => listener());
  }
}

function manager(settings: Settings): UserManager {
  return new UserManager({
    authority: settings.issuer,
    client_id: settings.client_id,
    redirect_uri: `${location.origin}/callback`,
    post_logout_redirect_uri: `${location.origin}/`,
    scope: settings.scope,
    resource: settings.resource,
    // The name comes in the ID token, so the access token is for the API alone and not for UserInfo, too.
    extraQueryParams: { claims: JSON.stringify({ id_token: { name: null } }) },
    // Without these two the library keeps the tokens in sessionStorage, and PKCE's secret in localStorage.
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
    // Renewed when a call needs it: timers of a tab in the background are late, and a forgotten tab would renew for ever.
    automaticSilentRenew: false,
    silentRequestTimeoutInSeconds: 5,
  });
}

function here(): string {
  return location.pathname + location.search;
}

function nobody(error: unknown): boolean {
  return error instanceof ErrorResponse && NOBODY.includes(error.error ?? "");
}

export function words(error: unknown): string {
  if (error instanceof ErrorResponse) return error.error_description ?? error.error ?? "The provider said no.";
  // What fetch throws, and the library when a frame stays silent.
  const silent = error instanceof TypeError || error instanceof ErrorTimeout;
  if (silent) return "The provider or the API does not answer. Is it running?";
  return error instanceof Error ? error.message : String(error);
}
