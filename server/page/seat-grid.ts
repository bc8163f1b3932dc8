import type { PlacedSeat, Plan } from './plan.ts';
import type { Status } from './sale.ts';
import type { Viewport } from './viewport.ts';
import { neighbour, type Step } from './walk.ts';

export interface GridHandler {
  statusOf(seat: number): Status;
  /** The keyboard's seat is another one now; undefined: the focus has left. */
  focused(seat: number | undefined): void;
  /** Hold or release it, or all that was gathered. */
  act(seat: number): void;
  gather(seat: number): void;
  dropGathered(): boolean;
  zoom(factor: number): void;
  fit(): void;
}

const steps: Readonly<Record<string, Step>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'rowStart',
  End: 'rowEnd',
};

const inWords: Readonly<Record<Status, string>> = {
  available: 'available',
  held: 'held by somebody else',
  booked: 'booked',
  mine: 'held by you',
  bought: 'booked by you',
  asked: 'just a moment',
};

export const statusInWords = (status: Status): string => inWords[status];

/**
 * The map for keyboards and screen readers: a grid of which the one row that the focus is in exists, each cell lying
 * over its seat on the canvas. Twenty thousand elements would make every screen reader crawl; a row is what one reads.
 */
export class SeatGrid {
  readonly #grid: HTMLElement;
  readonly #plan: Plan;
  readonly #handler: GridHandler;
  readonly #cells = new Map<number, HTMLElement>();
  #row: HTMLElement | undefined;
  #active: number;
  /** The focus of a click is nothing to show: the browser's own `:focus-visible` shows it when a script moved it. */
  #isKeyboard = false;

  constructor(grid: HTMLElement, plan: Plan, until: AbortSignal, handler: GridHandler) {
    const listen = { signal: until };
    this.#grid = grid;
    this.#plan = plan;
    this.#handler = handler;
    this.#active = plan.rows[0]?.seats[0] ?? 0;
    const widest = plan.rows.reduce((most, { seats }) => Math.max(most, seats.length), 0);
    grid.role = 'grid';
    grid.ariaLabel = `Seats of ${plan.name}`;
    grid.ariaRowCount = String(plan.rows.length);
    grid.ariaColCount = String(widest);
    grid.ariaMultiSelectable = 'true';
    grid.setAttribute('aria-describedby', 'keys');
    const input = (isKeyboard: boolean) => () => {
      this.#isKeyboard = isKeyboard;
    };
    document.addEventListener('keydown', input(true), { ...listen, capture: true });
    document.addEventListener('pointerdown', input(false), { ...listen, capture: true });
    grid.addEventListener('keydown', (event) => this.#key(event), listen);
    grid.addEventListener('focusin', () => this.#tellFocus(), listen);
    grid.addEventListener('focusout', () => handler.focused(undefined), listen);
    // Screen readers click without a pointer; the pointer itself is the canvas' business.
    grid.addEventListener('click', (event) => event.detail === 0 && handler.act(this.#active), listen);
    this.#build();
  }

  get active(): number {
    return this.#active;
  }

  /** Makes this the seat of the keyboard, and gives it the focus if asked. */
  activate(seat: number, focus: boolean): void {
    const isOtherRow = this.#plan.seats[seat]?.row !== this.#plan.seats[this.#active]?.row;
    this.#cells.get(this.#active)?.setAttribute('tabindex', '-1');
    this.#active = seat;
    if (isOtherRow) this.#build();
    const cell = this.#cells.get(seat);
    cell?.setAttribute('tabindex', '0');
    if (focus) cell?.focus({ preventScroll: true });
  }

  /** Says the states of these seats anew. */
  update(changed: readonly number[] | 'all'): void {
    if (changed === 'all') for (const seat of this.#cells.keys()) this.#label(seat);
    else for (const seat of changed) this.#label(seat);
  }

  /** Lays the cells over their seats. */
  place(viewport: Viewport): void {
    const side = Math.max(8, viewport.scale * 0.9);
    for (const [seat, cell] of this.#cells) {
      const { x, y } = viewport.toScreen(this.#seat(seat));
      cell.style.width = cell.style.height = `${side}px`;
      cell.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
    }
  }

  select(gathered: ReadonlySet<number>): void {
    for (const [seat, cell] of this.#cells) cell.ariaSelected = String(gathered.has(seat));
  }

  remove(): void {
    this.#row?.remove();
  }

  #build(): void {
    const index = this.#seat(this.#active).row;
    const row = this.#plan.rows[index];
    this.#row?.remove();
    this.#cells.clear();
    this.#row = document.createElement('div');
    this.#row.role = 'row';
    this.#row.ariaRowIndex = String(index + 1);
    this.#row.ariaLabel = row?.name ?? '';
    row?.seats.forEach((seat, column) => {
      const cell = document.createElement('div');
      cell.role = 'gridcell';
      cell.ariaColIndex = String(column + 1);
      cell.ariaSelected = 'false';
      cell.tabIndex = seat === this.#active ? 0 : -1;
      this.#cells.set(seat, cell);
      this.#label(seat);
      this.#row?.append(cell);
    });
    this.#grid.append(this.#row);
  }

  #label(seat: number): void {
    const cell = this.#cells.get(seat);
    if (cell === undefined) return;
    const status = this.#handler.statusOf(seat);
    cell.ariaLabel = `${this.#seat(seat).name}, ${statusInWords(status)}`;
  }

  #tellFocus(): void {
    this.#handler.focused(this.#isKeyboard ? this.#active : undefined);
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.metaKey) return;
    if (!this.#does(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #does({ key, shiftKey, ctrlKey }: KeyboardEvent): boolean {
    const step = steps[key];
    if (step !== undefined) {
      const far = ctrlKey && (step === 'rowStart' ? 'first' : step === 'rowEnd' && 'last');
      if (ctrlKey && !far) return false;
      this.#go(far || step, shiftKey);
      return true;
    }
    if (ctrlKey) return false;
    switch (key) {
      case 'Enter':
      case ' ':
        this.#handler.act(this.#active);
        return true;
      case 'Escape':
        return this.#handler.dropGathered();
      case '+':
      case '=':
        this.#handler.zoom(1.4);
        return true;
      case '-':
        this.#handler.zoom(1 / 1.4);
        return true;
      case '0':
        this.#handler.fit();
        return true;
      default:
        return false;
    }
  }

  #go(step: Step, gathers: boolean): void {
    if (gathers) this.#handler.gather(this.#active);
    const next = neighbour(this.#plan, this.#active, step);
    this.activate(next, true);
    this.#handler.focused(next);
    if (gathers) this.#handler.gather(next);
  }

  #seat(index: number): PlacedSeat | { x: 0; y: 0; name: ''; row: 0 } {
    return this.#plan.seats[index] ?? { x: 0, y: 0, name: '', row: 0 };
  }
}
