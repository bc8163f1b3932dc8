/**
 * The child's side of a child process: it serves named calls that come over its IPC channel, and ends with its parent. Both sides
 * are files of one checkout, so messages have the types of the handlers and are not checked again.
 */

/** What a child serves. Arguments and answers must survive structured cloning. */
export type Handlers = Readonly<Record<string, (input: never) => unknown>>;

export interface Call {
  readonly call: number;
  readonly name: string;
  readonly input: unknown;
}
export type Reply = { readonly call: number } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string }
);

/**
 * Ignores Ctrl-C, which may reach children too: the parent ends them in order.
 * @param ended called when the parent is gone; by default the process ends at once
 */
export function serve(handlers: Handlers, ended: () => void = () => process.exit(0)): void {
  process.on('disconnect', ended);
  process.on('message', (message: Call) => void answer(handlers, message));
}

async function answer(handlers: Handlers, { call, name, input }: Call): Promise<void> {
  try {
    const handler = handlers[name];
    if (handler === undefined) throw new Error(`nothing here is called ${name}`);
    // The caller has the type of the handler, so the input is right.
    tell({ call, ok: true, value: await handler(input as never) });
  } catch (error) {
    tell({ call, ok: false, message: error instanceof Error ? error.message : String(error) });
  }
}

function tell(reply: Reply): void {
  // Without a channel the parent is gone, and nobody waits for the reply.
  if (process.connected) process.send?.(reply);
}
