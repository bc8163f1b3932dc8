/** The one function of it that is used here; Artillery ships no types for this entry. */
declare module 'artillery/util' {
  export function parseScript(yaml: string): Promise<unknown>;
}
