import { readFileSync } from 'node:fs'

export const ISSUER = 'http://localhost:8000'
export const ORIGIN = 'http://localhost:3000' // as browsers know this site
export const API = `${ORIGIN}/api` // what tokens for the API have as aud
export const CLIENT_ID = 'express'
export const CLIENT_SECRET = readFileSync(new URL('client-secret', import.meta.url), 'utf8').trim()
