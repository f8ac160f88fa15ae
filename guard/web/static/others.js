/** The others in the room: a tile each, there as long as they are. */

import { element, setText } from "./dom.js";
import { KeptLeg } from "./keep.js";

const STATUS = {
  connecting: "Connecting…",
  connected: "",
  interrupted: "Connection lost. Waiting for it…",
  waiting: "Connection lost. Trying again…",
  refused: "Their video cannot be shown",
};

/** Tiles in a grid; participants are {id, name, whep}, whep null where they cannot be watched here. */
export class Others {
  #grid;
  #token;
  #onCount;
  #onGone;
  #tiles = new Map();

  /** `onCount(shown)` hears how many are shown, `onGone(id)` of one whom the node does not know any more. */
  constructor(grid, token, onCount, onGone) {
    this.#grid = grid;
    this.#token = token;
    this.#onCount = onCount;
    this.#onGone = onGone;
  }

  /** Shows exactly these. */
  set(participants) {
    const ids = new Set(participants.map((one) => one.id));
    for (const id of [...this.#tiles.keys()]) if (!ids.has(id)) this.remove(id);
    for (const one of participants) this.add(one);
    this.#onCount(this.#tiles.size);
  }

  /** Shows one more; returns whether they are new and can be watched here. */
  add(participant) {
    if (this.#tiles.has(participant.id) || !participant.whep) return false;
    const tile = new Tile(participant, this.#token, () => this.#onGone(participant.id));
    this.#tiles.set(participant.id, tile);
    this.#grid.append(tile.figure);
    this.#onCount(this.#tiles.size);
    return true;
  }

  /** Shows one no longer; returns their name, or null where they were not shown. */
  remove(id) {
    const tile = this.#tiles.get(id);
    if (!tile) return null;
    tile.close();
    this.#tiles.delete(id);
    this.#onCount(this.#tiles.size);
    return tile.name;
  }

  /** Ends everything; also while the page goes away. */
  close() {
    this.set([]);
  }
}

class Tile {
  #leg;
  #video = element("video", { autoplay: true, playsinline: true });
  #status = element("span", { class: "tile-status" });

  constructor({ id, name, whep }, token, onGone) {
    this.name = name;
    this.figure = element(
      "figure",
      { class: "tile", "data-participant": id },
      this.#video,
      element("figcaption", {}, element("bdi", { class: "tile-name" }, name), this.#status),
    );
    this.#leg = new KeptLeg(
      whep,
      token,
      async (leg) => {
        this.#video.srcObject = await leg.receive();
      },
      (state, detail) => {
        setText(this.#status, STATUS[state]);
        if (state === "refused" && detail.status === 404) onGone();
      },
    );
    void this.#leg.run();
  }

  close() {
    this.#leg.close();
    this.#video.srcObject = null;
    this.figure.remove();
  }
}
