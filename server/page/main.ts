/*
 * The live seat map: which show, the connection, and one sale on the screen. It uses the wire and the catalogue like
 * anybody else's page would, through the client that every server serves.
 */
import { connect, type LostLeases, type RowlockError } from '../../protocol/client.ts';
import { Basket } from './basket.ts';
import { loadPlan, loadShows, type ShowSummary } from './catalogue.ts';
import { showConnection } from './connection.ts';
import { element, make } from './dom.ts';
import { showEnding } from './ending.ts';
import { findSeat } from './find.ts';
import { MapView } from './map-view.ts';
import { Memory } from './memory.ts';
import { Notices } from './notices.ts';
import { Sale } from './sale.ts';

const memory = new Memory();
const { token, saved } = memory;
const client = connect('/ws', { ...saved, ...(token === undefined ? {} : { token }) });
const notices = new Notices(
  element('notices', HTMLElement),
  element('polite', HTMLElement),
  element('urgent', HTMLElement),
);
const tell = (text: string) => notices.tell(text);

const keep = () => memory.keepSession(client.saved);
client.on('leases', keep);
client.on('state', keep);
client.on('error', (error: RowlockError) => notices.show({ tone: 'bad', text: error.message }));
showConnection(client, tell, (reason) => showEnding(reason, memory));

let closeShow = new AbortController();
let current: Sale | undefined;
let hasBroken = false;
/** Leases that were lost before their show was on the screen. */
const lostBefore: LostLeases[] = [];
client.on('state', (state) => {
  hasBroken ||= state === 'reconnecting';
});
client.on('lease_lost', (lost) => {
  if (current?.plan.id === lost.showId) current.lost(lost, !hasBroken);
  else lostBefore.push(lost);
});

async function openShow(showId: string): Promise<void> {
  closeShow.abort();
  closeShow = new AbortController();
  const until = closeShow.signal;
  document.body.dataset['show'] = 'loading';
  const plan = await loadPlan(showId, until);
  if (plan === undefined || until.aborted) return;
  element('show-name', HTMLElement).textContent = plan.name;
  document.title = `${plan.name} · Rowlock`;
  history.replaceState(null, '', `?show=${encodeURIComponent(showId)}`);

  let view: MapView | undefined;
  let basket: Basket | undefined;
  const sale = new Sale(client, plan, memory, {
    seats: (changed) => {
      view?.update(changed);
      showCounts();
    },
    basket: () => basket?.update(),
    said: (notice) => notices.show(notice),
  });
  const gathering = element('gathering', HTMLElement);
  const elements = {
    root: element('map', HTMLElement),
    seats: element('seats', HTMLCanvasElement),
    above: element('above', HTMLCanvasElement),
    grid: element('grid', HTMLElement),
    covers: [element('legend', HTMLElement), element('tools', HTMLElement)],
  };
  const events = {
    tell: (text: string) => notices.show({ tone: 'plain', text }),
    gathering: (text: string | undefined) => {
      gathering.textContent = text ?? '';
      if (text !== undefined) tell(text);
    },
  };
  view = new MapView(elements, sale, events, until);
  basket = new Basket(sale, until);
  const shown = view;
  const listen = { signal: until };
  element('zoom-in', HTMLElement).addEventListener('click', () => shown.zoom(1.5), listen);
  element('zoom-out', HTMLElement).addEventListener('click', () => shown.zoom(1 / 1.5), listen);
  element('zoom-fit', HTMLElement).addEventListener('click', () => shown.fit(), listen);
  element('find', HTMLFormElement).addEventListener(
    'submit',
    (event) => {
      event.preventDefault();
      const field = element('find-seat', HTMLInputElement);
      const wanted = field.value;
      const seat = findSeat(plan, wanted);
      if (seat === undefined) notices.show({ tone: 'bad', text: `There is no seat “${wanted}” here.` });
      else {
        field.value = '';
        shown.goTo(seat);
      }
    },
    listen,
  );
  until.addEventListener('abort', () => sale.close());

  function showCounts(): void {
    const counts = {
      available: sale.count('available'),
      held: sale.count('held') - sale.basket.size,
      booked: sale.count('booked'),
      mine: sale.basket.size,
    };
    for (const [state, count] of Object.entries(counts)) {
      // The map tells of own leases a moment after the answer that granted them.
      const text = Math.max(0, count).toLocaleString('en');
      const shownCount = element(`count-${state}`, HTMLElement);
      if (shownCount.textContent !== text) shownCount.textContent = text;
    }
    document.body.classList.toggle('is-stale', !sale.isLive);
  }
  showCounts();
  sale.begin();
  current = sale;
  for (const lost of lostBefore.splice(0)) if (lost.showId === showId) sale.lost(lost, !hasBroken);
  document.body.dataset['show'] = showId;
}

function offerShows(shows: readonly ShowSummary[], chosen: string): void {
  const picker = element('picker', HTMLSelectElement);
  picker.replaceChildren(
    ...shows.map(({ id, name, seats }) =>
      make('option', { value: id }, `${name} · ${seats.toLocaleString('en')} seats`),
    ),
  );
  picker.value = chosen;
  const isChoice = shows.length > 1;
  element('picker-part', HTMLElement).hidden = !isChoice;
  // The picker names the show as well as a heading would.
  element('show-name', HTMLElement).classList.toggle('unseen', isChoice);
  picker.addEventListener('change', () => open(picker.value));
}

/** Whatever keeps a show from being shown is said; the page goes on. */
function open(showId: string): void {
  openShow(showId).catch((error: unknown) => {
    document.body.dataset['show'] = 'none';
    notices.show({ tone: 'bad', text: error instanceof Error ? error.message : String(error) });
  });
}

async function begin(): Promise<void> {
  const shows = await loadShows();
  const wanted = new URLSearchParams(location.search).get('show');
  const chosen = shows.find(({ id }) => id === wanted)?.id ?? wanted ?? shows[0]?.id;
  if (chosen === undefined) {
    document.body.dataset['show'] = 'none';
    return notices.show({ tone: 'plain', text: 'There is no show here yet.' });
  }
  offerShows(shows, chosen);
  open(chosen);
}

begin().catch((error: unknown) =>
  notices.show({ tone: 'bad', text: error instanceof Error ? error.message : String(error) }),
);
