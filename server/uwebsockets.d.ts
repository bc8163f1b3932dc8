import 'uWebSockets.js';

/** What the module has at run time and its declarations forget. */
declare module 'uWebSockets.js' {
  interface TemplatedApp {
    listen(
      host: string,
      port: number,
      options: number,
      listening: (socket: us_listen_socket | false) => void,
    ): TemplatedApp;
  }
  const LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}
