// The API: it knows the issuer's name and its own, and verifies each token with public keys alone.
import express from 'express'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { API, ISSUER } from './settings.js'

// One fetch for any number of waiting requests, again for an unknown key, but not more than once in 30 seconds.
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), { cooldownDuration: 30_000 })
const OURS = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']) // nothing fetched, or nothing usable

function refuse(res, status, error, description) {
  const because = error ? ` error="${error}", error_description="${description}"` : ''
  res.status(status).set('WWW-Authenticate', `Bearer${because}`).json({ error: error ?? 'no token', description })
}

/** Middleware: only requests with a token of our issuer, for this API, that carries the scope. */
export function requires(scope) {
  return async (req, res, next) => {
    const [, token] = /^Bearer ([\w\-.~+/]+=*)$/i.exec(req.get('authorization') ?? '') ?? []
    if (!token) return refuse(res, 401, undefined, 'Send Authorization: Bearer TOKEN.')
    try {
      // typ at+jwt: an ID token is signed by the same keys and is no access token (RFC 9068 4).
      const options = { issuer: ISSUER, audience: API, typ: 'at+jwt', algorithms: ['RS256', 'ES256'], clockTolerance: 30 }
      req.token = (await jwtVerify(token, keys, { ...options, requiredClaims: ['exp', 'sub'] })).payload
    } catch (error) {
      // What is wrong with the token is 401; keys that cannot be had are no fault of the caller.
      const theirs = error instanceof errors.JOSEError && !OURS.has(error.code)
      if (theirs) return refuse(res, 401, 'invalid_token', error.message.replace(/["\\]/g, "'"))
      return res.status(503).set('Retry-After', '5').json({ error: 'the keys of the issuer cannot be had' })
    }
    const granted = String(req.token.scope ?? '').split(' ')
    if (!granted.includes(scope)) return refuse(res, 403, 'insufficient_scope', `The token lacks ${scope}.`)
    next()
  }
}

export const api = express.Router()
api.get('/orders', requires('orders:read'), (req, res) => {
  res.set('Cache-Control', 'no-store').json({ orders: [`a kite for ${req.token.sub}`] })
})
