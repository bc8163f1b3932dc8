/** Artillery has no types for this entry point. Only the function that is used here is declared. */
declare module 'artillery/util' {
  export function parseScript(yaml: string): Promise<unknown>;
}
