// Which algorithm each token is proved with, by panva's jose: {"jwks", "now", "tokens"} in, a list of names out.
import { createLocalJWKSet, jwtVerify } from 'jose'

let input = ''
for await (const chunk of process.stdin) input += chunk
const { jwks, now, tokens } = JSON.parse(input)
const keys = createLocalJWKSet(jwks)
const names = []
for (const token of tokens) {
  try {
    const { protectedHeader } = await jwtVerify(token, keys, { currentDate: new Date(now * 1000) })
    names.push(protectedHeader.alg)
  } catch (error) {
    names.push(`${error.code}: ${error.message}`)
  }
}
process.stdout.write(JSON.stringify(names))
