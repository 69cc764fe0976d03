// An OpenID provider on loopback for tests: `node server.mjs` prints `issuer URL` once it listens, and ends with its input.
// POST /control/publish adds a key, /control/switch signs with the newest, /control/retire leaves that one alone in the set.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const key = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: randomUUID() };
};

const client = (id, more) => ({
  client_id: id,
  client_secret: `secret-of-${id}`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_post',
  id_token_signed_response_alg: 'ES256',
  scope: 'read',
  ...more,
});

// The first key that fits is the one that signs. A token without a resource is opaque, and can be introspected.
const provider = (issuer, keys) => new Provider(issuer, {
  clients: [client('plain'), client('bound', { dpop_bound_access_tokens: true })],
  scopes: ['read'],
  jwks: { keys },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    dPoP: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, audience) => ({
        audience, scope: 'read', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  clientBasedCORS: () => false,
});

let keys = [key()];
let issuer;
let answer;
const renew = (next) => {
  keys = next;
  answer = provider(issuer, keys).callback();
};
const controls = {
  '/control/publish': () => renew([...keys, key()]),
  '/control/switch': () => renew([keys.at(-1), ...keys.slice(0, -1)]),
  '/control/retire': () => renew(keys.slice(0, 1)),
};

const server = createServer((request, response) => {
  const control = request.method === 'POST' && controls[request.url];
  if (!control) return answer(request, response);
  control();
  response.setHeader('content-length', 2);
  response.end('{}');
});
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  renew(keys);
  console.log(`issuer ${issuer}`);
});
process.stdin.on('end', () => process.exit()).resume();
