// A web site that signs people in (openid-client) and calls the API beside it (api.js) for them.
import { randomBytes } from 'node:crypto'
import express from 'express'
import session from 'express-session'
import * as oidc from 'openid-client'
import { api } from './api.js'
import { API, CLIENT_ID, CLIENT_SECRET, ISSUER, ORIGIN } from './settings.js'

// http is for this machine: with an https issuer take allowInsecureRequests away.
const local = ISSUER.startsWith('http://localhost:') ? { execute: [oidc.allowInsecureRequests] } : {}
const proof = oidc.ClientSecretBasic(CLIENT_SECRET)
const provider = await oidc.discovery(new URL(ISSUER), CLIENT_ID, undefined, proof, local)

const app = express()
app.disable('x-powered-by')
app.use('/api', api) // before the session: an API is called with tokens, never with a cookie

const secure = ORIGIN.startsWith('https:')
app.use(session({
  name: secure ? '__Host-shop' : 'shop',
  secret: randomBytes(32).toString('hex'), // sessions live in this process, so they may end with it
  cookie: { httpOnly: true, sameSite: 'lax', secure },
  resave: false,
  saveUninitialized: false,
}))

const escaped = (text) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
const page = (res, body) => res.set('Cache-Control', 'no-store').send(`<!doctype html><title>Corner shop</title>${body}`)

app.get('/', (req, res) => {
  const { user } = req.session
  if (!user) return page(res, '<p id="nobody">Nobody is signed in. <a href="/login">Sign in</a></p>')
  const leave = '<form method="post" action="/logout"><button>Sign out</button></form>'
  page(res, `<p>Signed in as <b id="user">${escaped(user.name)}</b>. <a href="/orders">Orders</a></p>${leave}`)
})

app.get('/login', async (req, res) => {
  // What the answer has to fit is kept on this side, for this browser alone.
  const pending = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() }
  req.session.pending = pending
  const asked = new URLSearchParams({
    redirect_uri: `${ORIGIN}/callback`,
    scope: 'openid profile orders:read',
    code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
    state: pending.state,
    nonce: pending.nonce,
    resource: ISSUER, // UserInfo is the issuer's own resource (RFC 8707),
  })
  asked.append('resource', API) // and the same token is for our API
  res.redirect(oidc.buildAuthorizationUrl(provider, asked).href)
})

app.get('/callback', async (req, res) => {
  const { pending } = req.session
  if (!pending) return res.redirect(303, '/')
  delete req.session.pending // good once, whatever comes of it
  // Checks state, iss (RFC 9207), the ID token's signature, issuer, audience, times and nonce, and sends the verifier.
  const checks = { pkceCodeVerifier: pending.verifier, expectedState: pending.state, expectedNonce: pending.nonce }
  const tokens = await oidc.authorizationCodeGrant(provider, new URL(req.originalUrl, ORIGIN), checks)
  const { sub } = tokens.claims()
  const person = await oidc.fetchUserInfo(provider, tokens.access_token, sub)
  await new Promise((done, fail) => req.session.regenerate((error) => (error ? fail(error) : done())))
  // Another session id than before the sign-in: whoever planted the old one has nothing.
  Object.assign(req.session, { user: { sub, name: person.name ?? sub }, tokens: { ...tokens } })
  res.redirect(303, '/')
})

app.get('/orders', async (req, res) => {
  if (!req.session.tokens) return res.redirect(303, '/login')
  const bearer = { authorization: `Bearer ${req.session.tokens.access_token}` }
  const answer = await fetch(`${API}/orders`, { headers: bearer })
  if (answer.status === 401) return res.redirect(303, '/login') // run out: no password is asked while the sign-on lives
  page(res, `<pre id="orders">${escaped(await answer.text())}</pre><a href="/">Back</a>`)
})

app.post('/logout', (req, res) => { // SameSite=Lax: no other site can make a browser post this with our cookie
  const hint = req.session.tokens?.id_token
  req.session.destroy(() => {
    const leave = { post_logout_redirect_uri: `${ORIGIN}/`, ...(hint && { id_token_hint: hint }) }
    res.redirect(303, oidc.buildEndSessionUrl(provider, leave).href)
  })
})

app.use((error, req, res, next) => { // eslint-disable-line no-unused-vars
  console.error(error.code ?? error.name, error.error ?? '', error.message)
  res.status(400)
  page(res, `<p id="failed">Nobody was signed in: ${escaped(error.error ?? error.code ?? 'failed')}</p><a href="/">Back</a>`)
})

app.listen(Number(new URL(ORIGIN).port), 'localhost', () => console.log(`Corner shop at ${ORIGIN}`))
