import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect, createServer } from 'node:tls';
import { generate } from 'selfsigned';
import { describe, expect, it } from 'vitest';
import { isAboutCertificate } from './certificates.ts';

const DAY_MS = 86_400_000;

const certify = (notAfterDate: Date) =>
  generate([{ name: 'commonName', value: 'store.internal' }], {
    ...{ keyType: 'ec', algorithm: 'sha256', notBeforeDate: new Date(Date.now() - 2 * DAY_MS), notAfterDate },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'store.internal' }] }],
  });

/** How a connection to a server with this certificate fails. */
async function failure(
  { cert, private: key }: Awaited<ReturnType<typeof certify>>,
  options: ConnectionOptions,
): Promise<unknown> {
  const server = createServer({ cert, key });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, ...options });
  const [error] = await once(socket, 'error');
  socket.destroy();
  server.close();
  return error;
}

describe('a certificate', () => {
  it('of nobody that is known, of another name, or of another time is what is wrong', async () => {
    const [own, expired] = await Promise.all([
      certify(new Date(Date.now() + DAY_MS)),
      certify(new Date(Date.now() - DAY_MS)),
    ]);
    const failures = [
      await failure(own, { servername: 'store.internal' }),
      await failure(own, { ca: own.cert, servername: 'other.internal' }),
      await failure(expired, { ca: expired.cert, servername: 'store.internal' }),
    ];
    expect(failures).toMatchObject([
      { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      { code: 'CERT_HAS_EXPIRED' },
    ]);
    expect(failures.map(isAboutCertificate)).toEqual([true, true, true]);
  });

  it('is not what is wrong with a host of that name', () => {
    for (const code of ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED']) {
      const error = Object.assign(new Error(`getaddrinfo ${code} CERTIFICATE.certificates.internal`), {
        code,
      });
      expect(isAboutCertificate(error)).toBe(false);
    }
    expect(isAboutCertificate(new Error('a certificate'))).toBe(false);
    expect(isAboutCertificate(undefined)).toBe(false);
  });
});
