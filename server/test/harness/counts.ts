import type { App } from '../../app.ts';

/**
 * What a server has counted: the sum of a metric's values with these labels; 0 when there is none.
 * @param metric as it is exposed, without `rowlock_`; of a histogram with its `_sum` or `_count`
 */
export async function countOf(
  app: Pick<App, 'samples'>,
  metric: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const wanted = Object.entries(labels);
  const values = (await app.samples()).flatMap((sample) =>
    sample.values.filter(
      (value) =>
        (value.metricName ?? sample.name) === `rowlock_${metric}` &&
        wanted.every(([label, text]) => value.labels[label] === text),
    ),
  );
  return values.reduce((sum, { value }) => sum + value, 0);
}
