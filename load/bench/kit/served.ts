/**
 * The side of a bench's child process: it serves named calls that come over its IPC channel, and ends with its parent. Both
 * sides are files of one checkout, so what travels is typed by the handlers and not checked again.
 */

/** What a child serves; the argument and the answer must survive structured cloning. */
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
 * @param ended runs when the parent is gone; without it the process ends at once. Ctrl-C reaches children too: they leave
 * it to the parent, which ends them in order.
 */
export function serve(handlers: Handlers, ended: () => void = () => process.exit(0)): void {
  process.on('disconnect', ended);
  process.on('message', (message: Call) => void answer(handlers, message));
}

async function answer(handlers: Handlers, { call, name, input }: Call): Promise<void> {
  try {
    const handler = handlers[name];
    if (handler === undefined) throw new Error(`nothing here is called ${name}`);
    // The caller's type is the handler's own.
    tell({ call, ok: true, value: await handler(input as never) });
  } catch (error) {
    tell({ call, ok: false, message: error instanceof Error ? error.message : String(error) });
  }
}

function tell(reply: Reply): void {
  // Without a channel the parent is gone, and so is whoever asked.
  if (process.connected) process.send?.(reply);
}
