/** Those who are served in turn, one after the other and round again. */
export class Relays<Item> {
  readonly #items: Item[] = [];
  readonly #places = new Map<Item, number>();
  #next = 0;

  get size(): number {
    return this.#items.length;
  }

  /** Adds one that is not there yet. */
  add(item: Item): void {
    if (this.#places.has(item)) return;
    this.#places.set(item, this.#items.length);
    this.#items.push(item);
  }

  /** Takes one out; the last takes its place. */
  delete(item: Item): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#places.delete(item);
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#items[place] = last;
    this.#places.set(last, place);
  }

  /** Whose turn it is; undefined when there is nobody. */
  next(): Item | undefined {
    if (this.#next >= this.#items.length) this.#next = 0;
    return this.#items[this.#next++];
  }
}
