import { expect, it } from 'vitest';
import { createLog } from './log.ts';

it('says of an error what happened, and nothing that was asked of the library which threw it', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const command = { name: 'evalsha', args: ['a-session-token'] };
  const error = Object.assign(new Error('no answer', { cause: { command } }), {
    code: 'ECONNRESET',
    command,
  });
  log.error({ err: error, showId: 'show' }, 'not told');
  log.error(error, 'not told either');
  log.error({ err: 'words' }, 'nor this');
  for (const line of lines.slice(0, 2)) {
    expect(JSON.parse(line)).toMatchObject({
      err: { name: 'Error', message: 'no answer', code: 'ECONNRESET' },
    });
    expect(line).toContain('log.test.ts');
  }
  expect(lines.map((line) => JSON.parse(line).err)[2]).toBe('words');
  expect(lines.join('')).not.toContain('a-session-token');
});
