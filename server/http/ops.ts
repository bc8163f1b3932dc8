import type { LivezResponse, ReadyzResponse } from '../../protocol/index.ts';
import { monotonicMs, withDeadline } from '../clock.ts';
import { httpLimits } from '../limits.ts';
import type { Readiness } from '../observability/readiness.ts';
import { type Answer, json } from './answer.ts';
import type { HttpDeps } from './deps.ts';
import type { Endpoint } from './endpoint.ts';

const DOWN: Readiness = { ready: false, redis: false, postgres: false, streamLagMs: 0 };

/** For whoever runs the server: is it alive, is it of use, how is it doing. */
export function opsEndpoints({
  metrics,
  readiness,
  log,
}: HttpDeps): Record<'livez' | 'readyz' | 'metrics', Endpoint> {
  const look = sharedLook(async () => {
    const now = await withDeadline(readiness(), httpLimits.readinessDeadlineMs).catch((error: unknown) => {
      log.warn({ error: String(error) }, 'readiness could not be told');
      return DOWN;
    });
    metrics.storeUp.set({ store: 'redis' }, now.redis ? 1 : 0);
    metrics.storeUp.set({ store: 'postgres' }, now.postgres ? 1 : 0);
    metrics.streamLagSeconds.set(now.streamLagMs / 1000);
    return now;
  });

  return {
    livez: { vital: true, run: () => json(200, { status: 'ok' } satisfies LivezResponse) },
    readyz: { vital: true, run: async () => readyAnswer(await look()) },
    metrics: {
      vital: true,
      run: async (): Promise<Answer> => {
        await look();
        const { registry } = metrics;
        const headers = { 'content-type': registry.contentType, 'cache-control': 'no-store' };
        return { status: 200, body: await registry.metrics(), headers };
      },
    },
  };
}

function readyAnswer({ ready, redis, postgres, streamLagMs }: Readiness): Answer {
  const body: ReadyzResponse = { ready, redis, postgres, streamLagMs: Math.max(0, Math.round(streamLagMs)) };
  return json(ready ? 200 : 503, body);
}

/** One look under way at a time, believed for a moment: probes cost the stores next to nothing, however many there are. */
function sharedLook<T>(look: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | undefined;
  let believedUntilMs = 0;
  return () => {
    if (last !== undefined && monotonicMs() < believedUntilMs) return last;
    believedUntilMs = Number.POSITIVE_INFINITY;
    last = look().finally(() => {
      believedUntilMs = monotonicMs() + httpLimits.readinessAgeMs;
    });
    return last;
  };
}
