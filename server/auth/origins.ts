/**
 * Whether a page of that origin may not connect. Programs send none. Pages that this server served may always: without it
 * the live seat map would need its own server's name in ALLOWED_ORIGINS. The host alone is compared, because a proxy that
 * ends TLS hides the scheme. There are no cookies that somebody else's page could ride on; but a page whose name was pointed
 * at this server passes too, and may reach one on a private network that its author cannot.
 */
export function isForeign(
  { origin, host }: { readonly origin: string | undefined; readonly host: string | undefined },
  allowedOrigins: readonly string[] | undefined,
): boolean {
  if (origin === undefined || origin === '' || allowedOrigins === undefined) return false;
  return !allowedOrigins.includes(origin) && !isOwn(origin, host);
}

/** Not `null`, `file://` and the like, which have no host, as some requests have none. */
const isOwn = (origin: string, host: string | undefined): boolean =>
  host !== undefined && host !== '' && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
