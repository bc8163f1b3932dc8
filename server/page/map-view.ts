import { Gathering } from './gathering.ts';
import type { Point } from './geometry.ts';
import { Gestures } from './gestures.ts';
import { type Above, type Pulse, paintAbove } from './overlay.ts';
import { Painter } from './painter.ts';
import type { Sale, Status } from './sale.ts';
import { SeatGrid, statusInWords } from './seat-grid.ts';
import { ShownSeats } from './shown-seats.ts';
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
  readonly #shown: ShownSeats;
  readonly #gathering: Gathering;
  #theme: Theme = readTheme();
  #density = 1;
  #frame = 0;
  #isStale = { seats: true, above: true };
  #hovered: number | undefined;
  #focused: number | undefined;

  constructor(elements: MapElements, sale: Sale, events: MapEvents, until: AbortSignal) {
    this.#elements = elements;
    this.#sale = sale;
    this.#events = events;
    this.#viewport = new Viewport(sale.plan);
    this.#painter = new Painter(penOf(elements.seats), sale.plan);
    this.#above = penOf(elements.above);
    this.#shown = new ShownSeats(sale);
    this.#gathering = new Gathering(
      sale,
      (seat) => this.#statusOf(seat),
      () => this.#showGathered(),
    );
    this.#grid = new SeatGrid(elements.grid, sale.plan, until, {
      statusOf: (seat) => this.#statusOf(seat),
      focused: (seat) => this.#focus(seat),
      act: (seat) => this.#act(seat),
      gather: (seat) => this.#gathering.add([seat]),
      dropGathered: () => this.#gathering.drop(),
      zoom: (factor) => this.zoom(factor),
      fit: () => this.fit(),
    });
    new Gestures(elements.above, until, {
      gathersFrom: (at) => this.#gathersFrom(at),
      tap: (at) => this.#tap(at),
      gatherBegins: (at) => this.#gathering.begin(this.#seatNear(at)),
      gatherMoves: (from, to) =>
        this.#gathering.add(seatsAlong(sale.plan, this.#onPlan(from), this.#onPlan(to))),
      gatherEnds: (done) => (done ? this.#act(undefined) : this.#gathering.drop()),
      pan: (dx, dy) => this.#moved(() => this.#viewport.panBy(dx, dy)),
      zoom: (factor, at) => this.#moved(() => this.#viewport.zoom(factor, at)),
      hover: (at) => this.#hover(at),
    });
    this.#begin(until);
  }

  /** These seats may have changed. */
  update(changed: readonly number[] | 'all'): void {
    const before = this.#focused === undefined ? undefined : this.#statusOf(this.#focused);
    this.#shown.refresh(changed);
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
    const pulses = this.#shown.pulses(nowMs);
    const brush = { pen: this.#above, plan: this.#sale.plan, viewport: this.#viewport, theme: this.#theme };
    paintAbove(brush, this.#whatIsAbove(pulses, nowMs), this.#density, nowMs);
    if (pulses.length > 0) this.#draw('above');
  }

  #whatIsAbove(pulses: readonly Pulse[], nowMs: number): Above {
    const rings = [...this.#sale.basket].flatMap(([seatId, lease]): [number, number][] => {
      const seat = this.#sale.plan.indexOf.get(seatId);
      return seat === undefined ? [] : [[seat, this.#sale.partLeft(lease, nowMs)]];
    });
    const gathered = [...this.#gathering.seats];
    return { rings, hovered: this.#hovered, focused: this.#focused, gathered, pulses };
  }

  #statusOf(seat: number): Status {
    return this.#shown.statusOf(seat);
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

  #showGathered(): void {
    this.#events.gathering(this.#gathering.inWords);
    this.#grid.select(this.#gathering.seats);
    this.#draw('above');
  }

  /** Holds or releases what was gathered, or else this one seat. */
  #act(seat: number | undefined): void {
    const gathered = [...this.#gathering.seats];
    const chosen = gathered.length > 0 ? gathered : seat === undefined ? [] : [seat];
    const [first] = chosen;
    if (first === undefined) return;
    const ids = chosen.map((index) => this.#sale.plan.seats[index]?.id).filter((id) => id !== undefined);
    const status = this.#statusOf(first);
    this.#gathering.drop();
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
