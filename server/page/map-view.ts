import type { Point } from './geometry.ts';
import { Gestures } from './gestures.ts';
import { type Above, PULSE_MS, type Pulse, paintAbove } from './overlay.ts';
import { Painter } from './painter.ts';
import type { Sale, Status } from './sale.ts';
import { SeatGrid, statusInWords } from './seat-grid.ts';
import { onThemeChange, readTheme, type Theme } from './theme.ts';
import { type Insets, Viewport } from './viewport.ts';
import { seatAt, seatsAlong } from './walk.ts';

export interface MapElements {
  /** Holds the others. */
  readonly root: HTMLElement;
  readonly seats: HTMLCanvasElement;
  readonly above: HTMLCanvasElement;
  readonly grid: HTMLElement;
  /** What lies over the edges. */
  readonly covers: readonly HTMLElement[];
}

export interface MapEvents {
  /** A click on what cannot be held, or on the keyboard's seat when it changes by itself. */
  tell(text: string): void;
  /** How many seats are gathered, and for what; undefined: none. */
  gathering(text: string | undefined): void;
}

/** Own leases burn down in steps that nobody sees. */
const RING_TICK_MS = 200;
const MOST_PULSES = 300;

/**
 * The map on the screen. Two canvases, so that what moves does not redraw what stands: below, the seats, redrawn when one
 * changes or the view moves; above, rings, focus and pulses.
 *
 * The rival was SVG, one element per seat. Twenty thousand seats in Chromium without a GPU on two busy cores: the first frame after
 * 80 ms against 470 to 800, a frame of moving all of them 35 to 53 ms against 105 to 137; zoomed in both keep the display's pace.
 * One seat that changes while all are shown costs SVG nothing, and the canvas 45 ms, however many change in that frame.
 */
export class MapView {
  readonly #elements: MapElements;
  readonly #sale: Sale;
  readonly #events: MapEvents;
  readonly #viewport: Viewport;
  readonly #painter: Painter;
  readonly #above: CanvasRenderingContext2D;
  readonly #grid: SeatGrid;
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #statuses: Status[] = [];
  #theme: Theme = readTheme();
  #density = 1;
  #frame = 0;
  #isStale = { seats: true, above: true };
  #hovered: number | undefined;
  #focused: number | undefined;
  #gathered = new Set<number>();
  #gathers: 'hold' | 'release' = 'hold';
  #pulses: Pulse[] = [];

  constructor(elements: MapElements, sale: Sale, events: MapEvents, until: AbortSignal) {
    this.#elements = elements;
    this.#sale = sale;
    this.#events = events;
    this.#viewport = new Viewport(sale.plan);
    this.#painter = new Painter(penOf(elements.seats), sale.plan);
    this.#above = penOf(elements.above);
    this.#refresh('all');
    this.#grid = new SeatGrid(elements.grid, sale.plan, until, {
      statusOf: (seat) => this.#statusOf(seat),
      focused: (seat) => this.#focus(seat),
      act: (seat) => this.#act(seat),
      gather: (seat) => this.#gather([seat]),
      dropGathered: () => this.#dropGathered(),
      zoom: (factor) => this.zoom(factor),
      fit: () => this.fit(),
    });
    new Gestures(elements.above, until, {
      gathersFrom: (at) => this.#gathersFrom(at),
      tap: (at) => this.#tap(at),
      gatherBegins: (at) => this.#gatherBegins(at),
      gatherMoves: (from, to) => this.#gather(seatsAlong(sale.plan, this.#onPlan(from), this.#onPlan(to))),
      gatherEnds: (done) => (done ? this.#act(undefined) : this.#dropGathered()),
      pan: (dx, dy) => this.#moved(() => this.#viewport.panBy(dx, dy)),
      zoom: (factor, at) => this.#moved(() => this.#viewport.zoom(factor, at)),
      hover: (at) => this.#hover(at),
    });
    this.#begin(until);
  }

  /** These seats may have changed. */
  update(changed: readonly number[] | 'all'): void {
    if (changed === 'all') this.#pulses = [];
    const before = this.#focused === undefined ? undefined : this.#statuses[this.#focused];
    this.#refresh(changed);
    this.#grid.update(changed);
    const after = this.#focused === undefined ? undefined : this.#statusOf(this.#focused);
    if (isNews(before, after) && after !== undefined)
      this.#events.tell(`This seat is now ${statusInWords(after)}.`);
    this.#draw('seats');
  }

  zoom(factor: number): void {
    const { width, height } = this.#viewport.screen;
    this.#moved(() => this.#viewport.zoom(factor, { x: width / 2, y: height / 2 }));
  }

  fit(): void {
    this.#moved(() => this.#viewport.fit());
  }

  /** Brings a seat into view and under the keyboard. */
  goTo(seat: number): void {
    const place = this.#sale.plan.seats[seat];
    if (place === undefined) return;
    this.#moved(() => this.#viewport.reveal(place));
    this.#grid.activate(seat, true);
    this.#focus(seat);
  }

  #begin(until: AbortSignal): void {
    const observer = new ResizeObserver(() => this.#resize());
    observer.observe(this.#elements.root);
    onThemeChange(until, () => {
      this.#theme = readTheme();
      this.#draw('seats');
    });
    const tick = setInterval(() => this.#sale.basket.size > 0 && this.#draw('above'), RING_TICK_MS);
    // Canvas text in a font that is not there yet is drawn in another one.
    void document.fonts.ready.then(() => this.#draw('seats'));
    until.addEventListener('abort', () => {
      observer.disconnect();
      clearInterval(tick);
      cancelAnimationFrame(this.#frame);
      this.#grid.remove();
    });
    this.#resize();
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#elements.root;
    this.#density = Math.min(3, devicePixelRatio || 1);
    for (const canvas of [this.#elements.seats, this.#elements.above]) {
      canvas.width = Math.round(width * this.#density);
      canvas.height = Math.round(height * this.#density);
    }
    this.#moved(() => this.#viewport.resize({ width, height }, this.#insets()));
    // Clearing a canvas shows: paint before the browser does.
    this.#paint();
  }

  /** What lies along the edges of the map, by the edge that it is nearer to. */
  #insets(): Insets {
    const { top, bottom } = this.#elements.root.getBoundingClientRect();
    const covers = this.#elements.covers.map((cover) => cover.getBoundingClientRect());
    const isAbove = (cover: DOMRect) => cover.top - top < bottom - cover.bottom;
    return {
      top: Math.max(0, ...covers.filter(isAbove).map((cover) => cover.bottom - top)),
      bottom: Math.max(0, ...covers.filter((cover) => !isAbove(cover)).map((cover) => bottom - cover.top)),
    };
  }

  #moved(move: () => void): void {
    move();
    this.#draw('seats');
  }

  /** In the next frame, however often it is asked for. */
  #draw(what: 'seats' | 'above'): void {
    this.#isStale.above = true;
    if (what === 'seats') this.#isStale.seats = true;
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const nowMs = performance.now();
    if (this.#isStale.seats) {
      this.#painter.paint(this.#viewport, (seat) => this.#statusOf(seat), this.#theme, this.#density);
      this.#grid.place(this.#viewport);
    }
    this.#isStale = { seats: false, above: false };
    this.#pulses = this.#pulses.filter(({ atMs }) => nowMs - atMs < PULSE_MS);
    const brush = { pen: this.#above, plan: this.#sale.plan, viewport: this.#viewport, theme: this.#theme };
    paintAbove(brush, this.#whatIsAbove(nowMs), this.#density, nowMs);
    if (this.#pulses.length > 0) this.#draw('above');
  }

  #whatIsAbove(nowMs: number): Above {
    const rings = [...this.#sale.basket].flatMap(([seatId, lease]): [number, number][] => {
      const seat = this.#sale.plan.indexOf.get(seatId);
      return seat === undefined ? [] : [[seat, this.#sale.partLeft(lease, nowMs)]];
    });
    const gathered = [...this.#gathered];
    return { rings, hovered: this.#hovered, focused: this.#focused, gathered, pulses: this.#pulses };
  }

  #statusOf(seat: number): Status {
    return this.#statuses[seat] ?? 'available';
  }

  #refresh(changed: readonly number[] | 'all'): void {
    if (changed === 'all') {
      this.#sale.plan.seats.forEach((_, seat) => {
        this.#statuses[seat] = this.#sale.statusOf(seat);
      });
      return;
    }
    const atMs = performance.now();
    for (const seat of changed) {
      const status = this.#sale.statusOf(seat);
      const isNews = status !== this.#statuses[seat] && status !== 'asked' && !this.#calm.matches;
      if (isNews && this.#pulses.length < MOST_PULSES) this.#pulses.push({ seat, status, atMs });
      this.#statuses[seat] = status;
    }
  }

  // What hands do

  #onPlan(at: Point): Point {
    return this.#viewport.toPlan(at);
  }

  #seatAt(at: Point): number | undefined {
    return seatAt(this.#sale.plan, this.#onPlan(at));
  }

  /** Between seats is near one: a drag that begins in a gap of a row means the row. */
  #seatNear(at: Point): number | undefined {
    return seatAt(this.#sale.plan, this.#onPlan(at), 0.75);
  }

  #gathersFrom(at: Point): boolean {
    const seat = this.#seatNear(at);
    if (seat === undefined || this.#isDust) return false;
    return this.#statusOf(seat) === 'available' || this.#statusOf(seat) === 'mine';
  }

  /** Nobody can mean one seat among so many small ones: a tap comes closer instead. */
  get #isDust(): boolean {
    return this.#viewport.scale < LEAST_TO_MEAN;
  }

  #tap(at: Point): void {
    const seat = this.#seatAt(at);
    if (this.#isDust) this.#moved(() => this.#viewport.zoom(CLOSER / this.#viewport.scale, at));
    else if (seat !== undefined) this.#press(seat);
  }

  #press(seat: number): void {
    this.#grid.activate(seat, true);
    this.#act(seat);
  }

  #hover(at: Point | undefined): void {
    const seat = at === undefined || this.#isDust ? undefined : this.#seatAt(at);
    const hovered =
      seat !== undefined && ['available', 'mine'].includes(this.#statusOf(seat)) ? seat : undefined;
    this.#elements.above.style.cursor = hovered === undefined ? '' : 'pointer';
    this.#elements.above.title =
      seat === undefined
        ? ''
        : `${this.#sale.plan.seats[seat]?.name}: ${statusInWords(this.#statusOf(seat))}`;
    if (hovered === this.#hovered) return;
    this.#hovered = hovered;
    this.#draw('above');
  }

  #focus(seat: number | undefined): void {
    this.#focused = seat;
    const place = seat === undefined ? undefined : this.#sale.plan.seats[seat];
    if (place !== undefined && this.#viewport.reveal(place)) this.#draw('seats');
    this.#draw('above');
  }

  #gatherBegins(at: Point): void {
    this.#gathered.clear();
    const seat = this.#seatNear(at);
    if (seat !== undefined) this.#gather([seat]);
  }

  /** What the first seat is decides what the others must be: free to hold, or held to release. */
  #gather(seats: readonly number[]): void {
    const [first] = this.#gathered.size > 0 ? this.#gathered : seats;
    if (first === undefined) return;
    this.#gathers = this.#statusOf(first) === 'mine' ? 'release' : 'hold';
    const wanted = this.#gathers === 'hold' ? 'available' : 'mine';
    const most = this.#gathers === 'hold' ? this.#sale.room : this.#sale.mostSeats;
    for (const seat of seats)
      if (this.#statusOf(seat) === wanted && this.#gathered.size < most) this.#gathered.add(seat);
    this.#showGathered();
  }

  #dropGathered(): boolean {
    const had = this.#gathered.size > 0;
    this.#gathered.clear();
    this.#showGathered();
    return had;
  }

  #showGathered(): void {
    const { size } = this.#gathered;
    const verb = this.#gathers === 'hold' ? 'hold' : 'release';
    const isFull = this.#gathers === 'hold' && size >= this.#sale.room;
    const text = `${size} to ${verb}${isFull ? ', no more at once' : ''}`;
    this.#events.gathering(size === 0 ? undefined : text);
    this.#grid.select(this.#gathered);
    this.#draw('above');
  }

  /** Holds or releases what was gathered, or else this one seat. */
  #act(seat: number | undefined): void {
    const chosen = this.#gathered.size > 0 ? [...this.#gathered] : seat === undefined ? [] : [seat];
    const [first] = chosen;
    if (first === undefined) return;
    const ids = chosen.map((index) => this.#sale.plan.seats[index]?.id).filter((id) => id !== undefined);
    const status = this.#statusOf(first);
    this.#dropGathered();
    if (status === 'available') void this.#sale.hold(ids);
    else if (status === 'mine') void this.#sale.release(ids);
    else this.#events.tell(`${this.#sale.plan.seats[first]?.name} is ${statusInWords(status)}.`);
  }
}

/** Pixels from seat to seat: below, a tap comes closer, this close. */
const LEAST_TO_MEAN = 7;
const CLOSER = 24;

/** What others did to a seat; of what the visitor did, its own notice tells. */
function isNews(before: Status | undefined, after: Status | undefined): boolean {
  const isOwn = (status: Status | undefined) =>
    status === 'mine' || status === 'asked' || status === 'bought';
  return before !== after && !isOwn(before) && !isOwn(after);
}

function penOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const pen = canvas.getContext('2d');
  if (pen === null) throw new Error('This browser draws no canvas.');
  return pen;
}
