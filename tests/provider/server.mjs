// An OpenID provider on loopback for tests: `node server.mjs` prints `issuer URL PORT` once it listens, and ends with its input. On that
// second port it speaks TLS and asks for certificates, where TLS_CERTIFICATE and TLS_KEY are given. GATE_KEY is the public JWK of `gate-key`.
// POST /control/publish adds a key, /control/switch signs with the newest, /control/retire leaves that one alone in the set.
// /control/fail/WHAT has everything else answered by `error`, `garbage`, `redirect` or `silence`, until it says `nothing`.
// /control/gate/HOST:PORT says where the gateway is: tokens about its callers are exchanged (RFC 8693) that its published keys prove.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, get } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createLocalJWKSet, jwtVerify } from 'jose';
import Provider, { errors } from 'oidc-provider';

// Whoever starts this reads one line of its output and no notices: another would find nobody, and end the process.
console.info = console.error;

const key = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: randomUUID() };
};

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const resourceServer = (audience) => ({
  audience, scope: 'read', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
});

let gate;
const publishedKeys = () => new Promise((resolve, reject) => {
  const [host, port] = gate.split(':');
  get({ host, port, path: '/.well-known/jwks.json', headers: { host: 'gateway.test' } }, async (answer) => {
    resolve(JSON.parse((await answer.toArray()).join('')));
  }).on('error', reject);
});

// Nobody acts on behalf of mallory.
const exchange = (provider) => async (ctx) => {
  const { params, client } = ctx.oidc;
  const expected = { issuer: 'https://gateway.test', audience: provider.issuer, typ: 'claviger-identity+jwt' };
  const verified = await jwtVerify(params.subject_token, createLocalJWKSet(await publishedKeys()), expected)
    .catch((error) => { throw new errors.InvalidGrant(error.message); });
  const { sub: accountId, roles } = verified.payload;
  if (accountId === 'corp:mallory') throw new errors.InvalidGrant('a-detail-for-nobody');
  ctx.oidc.told = { roles, act: { sub: client.clientId } };
  const token = new provider.AccessToken({ accountId, client, scope: params.scope });
  token.resourceServer = new provider.ResourceServer(params.resource, resourceServer(params.resource));
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: params.requested_token_type,
    token_type: token.tokenType,
    expires_in: token.expiration,
  };
};

const client = (id, more) => ({
  client_id: id,
  client_secret: `secret-of-${id}`,
  grant_types: ['client_credentials', EXCHANGE],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_post',
  id_token_signed_response_alg: 'ES256',
  scope: 'read',
  ...more,
});

const { GATE_KEY, TLS_CERTIFICATE, TLS_KEY } = process.env;
// Those that only ask what a token means. The first one's secret has to be encoded to be sent as RFC 6749 §2.3.1 says.
const gates = [
  client('gate-basic', { token_endpoint_auth_method: 'client_secret_basic', client_secret: 'secret:of/gate +100%' }),
  client('gate-post', {}),
  ...(GATE_KEY ? [client('gate-key', {
    token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', client_secret: undefined,
    jwks: { keys: [JSON.parse(GATE_KEY)] },
  })] : []),
];

// The first key that fits is the one that signs. A token without a resource is opaque, and can be introspected.
const configured = (issuer, keys) => new Provider(issuer, {
  clients: [
    client('plain'),
    client('bound', { dpop_bound_access_tokens: true }),
    client('certified', { tls_client_certificate_bound_access_tokens: true }),
    ...gates,
  ],
  scopes: ['read'],
  jwks: { keys },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    dPoP: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.()?.toString(),
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, audience) => resourceServer(audience),
    },
  },
  extraTokenClaims: (ctx) => ctx.oidc.told,
  clientBasedCORS: () => false,
});

const provider = (issuer, keys) => {
  const made = configured(issuer, keys);
  const params = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope'];
  made.registerGrantType(EXCHANGE, exchange(made), params);
  return made;
};

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

const faults = {
  error: (_, response) => response.writeHead(500).end('{}'),
  garbage: (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('<html>Sign in</html>'),
  redirect: (request, response) => response.writeHead(302, { location: `${issuer}${request.url}` }).end(),
  silence: () => {},
};
let fault;

const handle = (request, response) => {
  const [, , what, value] = request.url.split('/');
  const set = { gate: () => { gate = value; }, fail: () => { fault = faults[value]; } };
  const control = request.method === 'POST' && request.url.startsWith('/control/') && (set[what] ?? controls[request.url]);
  if (!control) return (fault ?? answer)(request, response);
  control();
  response.setHeader('content-length', 2);
  response.end('{}');
};
const listen = (server) => new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(server.address().port));
});
const secure = TLS_KEY && await listen(createTlsServer(
  { cert: TLS_CERTIFICATE, key: TLS_KEY, requestCert: true, rejectUnauthorized: false },
  handle,
));
issuer = `http://127.0.0.1:${await listen(createServer(handle))}`;
renew(keys);
console.log(`issuer ${issuer} ${secure ?? 0}`);
process.stdin.on('end', () => process.exit()).resume();
