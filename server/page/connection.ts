import type { Client, ClientState, RowlockError } from '../../protocol/client.ts';
import { element } from './dom.ts';

const shown: Readonly<Record<ClientState, { label: string; told: string }>> = {
  connecting: { label: 'Connecting', told: 'Connecting.' },
  live: { label: 'Live', told: 'Connected: the map is live.' },
  reconnecting: {
    label: 'Reconnecting',
    told: 'The connection broke. The map stands still until it is back; your seats are kept for a while.',
  },
  closed: { label: 'Ended', told: 'The connection has ended.' },
};

/** Shows the state of the connection, and what to do when it has ended for good. */
export function showConnection(
  client: Client,
  tell: (text: string) => void,
  ended: (reason: RowlockError | undefined) => void,
): void {
  const pill = element('connection', HTMLElement);
  const label = element('connection-label', HTMLElement);
  let before: ClientState = client.state;
  const show = (state: ClientState, reason?: RowlockError) => {
    pill.dataset['state'] = state;
    document.body.dataset['connection'] = state;
    label.textContent = shown[state].label;
    pill.title = shown[state].told;
    // The first connection is what everybody expects: nothing to say about.
    if (state !== before && !(before === 'connecting' && state === 'live')) tell(shown[state].told);
    before = state;
    if (state === 'closed') ended(reason);
  };
  show(client.state);
  client.on('state', show);
}
