import { Registry } from 'prom-client';
import type { LivezResponse, ReadyzResponse } from '../../protocol/index.ts';
import type { Readiness } from '../observability/readiness.ts';
import { type Answer, json } from './answer.ts';
import type { HttpDeps } from './deps.ts';
import type { Endpoint } from './endpoint.ts';

const METRICS = { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE, 'cache-control': 'no-store' };

/** For whoever runs the server: whether it is alive, whether it can serve, and its metrics. */
export function opsEndpoints({
  readiness,
  scrape,
}: HttpDeps): Record<'livez' | 'readyz' | 'metrics', Endpoint> {
  return {
    livez: { vital: true, run: () => json(200, { status: 'ok' } satisfies LivezResponse) },
    readyz: { vital: true, run: async () => readyAnswer(await readiness()) },
    metrics: {
      vital: true,
      run: async (): Promise<Answer> => ({ status: 200, body: await scrape(), headers: METRICS }),
    },
  };
}

function readyAnswer({ ready, redis, postgres, streamLagMs }: Readiness): Answer {
  const body: ReadyzResponse = { ready, redis, postgres, streamLagMs: Math.max(0, Math.round(streamLagMs)) };
  return json(ready ? 200 : 503, body);
}
