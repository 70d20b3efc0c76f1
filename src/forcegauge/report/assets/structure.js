// ---- Structures in three dimensions, on a plain canvas

/** Unpacks the structure of a case; null where the page has none. */
class Structures {
  constructor(packed) {
    this.packed = packed;
    this.numbers = bytes(packed.numbers);
    this.positions = new Int16Array(bytes(packed.positions).buffer);
    let end = 0;
    this.starts = packed.n_atoms.map((n) => (end += n) - n);
  }

  of(at) {
    const [n, first] = [this.packed.n_atoms[at], this.starts[at]];
    if (!n) return null;
    const atoms = Array.from({ length: n }, (_, row) => ({
      z: this.numbers[first + row], at: [0, 1, 2].map((axis) => this.positions[3 * (first + row) + axis] / 100),
    }));
    const numbers = this.packed.cells[at];
    if (!numbers) return { atoms, shown: atoms, cell: null };
    const cell = [0, 1, 2, 3].map((row) => numbers.slice(3 * row, 3 * row + 3)); // the corner, then three edges
    return { atoms, cell, shown: n <= 150 ? atoms.flatMap((atom) => onEveryFace(atom, cell)) : atoms };
  }
}

const plus = (a, b, by = 1) => a.map((value, axis) => value + by * b[axis]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

/** An atom inside the cell, and its images where it lies on a face, an edge or a corner. */
function onEveryFace(atom, [corner, ...edges]) {
  const volume = dot(edges[0], cross(edges[1], edges[2]));
  const from = plus(atom.at, corner, -1);
  let places = [[...corner]];
  edges.forEach((edge, axis) => {
    let share = dot(from, cross(edges[(axis + 1) % 3], edges[(axis + 2) % 3])) / volume;
    share -= Math.floor(share + 0.02);
    const steps = Math.abs(share) < 0.02 ? [share, share + 1] : [share];
    places = places.flatMap((place) => steps.map((step) => plus(place, edge, step)));
  });
  return places.map((at) => ({ z: atom.z, at }));
}

class StructureView {
  constructor(figure) {
    this.canvas = figure.querySelector("canvas");
    this.caption = figure.querySelector("figcaption");
    this.figure = figure;
    this.turn = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    this.zoom = 1;
    this.parts = [];
    this.rotate(-0.4, 0.3);
    this.connect();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  connect() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.rotate(event.movementX / 120, event.movementY / 120);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.12], ArrowDown: [0, 0.12] }[event.key];
      if (event.key === "+" || event.key === "-") this.zoom *= event.key === "+" ? 1.15 : 1 / 1.15;
      else if (!step) return;
      event.preventDefault();
      event.stopPropagation(); // or the explorer would go to the next case
      this.rotate(...(step ?? [0, 0]));
    });
  }

  rotate(across, down) {
    const [cx, sx, cy, sy] = [Math.cos(down), Math.sin(down), Math.cos(across), Math.sin(across)];
    this.turn = this.turn[0].map((_, column) => this.turn.map((row) => row[column])).map(([x, y, z]) => {
      const [x1, z1] = [cy * x + sy * z, -sy * x + cy * z];
      return [x1, cx * y + sx * z1, -sx * y + cx * z1];
    });
    this.turn = this.turn[0].map((_, row) => this.turn.map((column) => column[row]));
    this.draw();
  }

  show(name, structure) {
    this.figure.hidden = !structure;
    if (!structure) return;
    const { atoms, shown, cell } = structure;
    const { symbols } = elementsData.drawing;
    const counts = new Map();
    for (const { z } of atoms) counts.set(symbols[z], (counts.get(symbols[z]) ?? 0) + 1);
    const formula = [...counts].map(([symbol, n]) => symbol + (n > 1 ? n : "")).join(" ");
    this.caption.textContent = `${formula}, ${atoms.length} ${atoms.length === 1 ? "atom" : "atoms"}${cell ? ", one cell" : ""}. Drag or use the arrow keys to turn, + and − to zoom.`;
    this.canvas.setAttribute("aria-label", `Structure of ${name}: ${formula}`);
    this.zoom = 1;
    this.parts = [...shown.map((atom) => ({ ...atom, kind: "atom" })), ...bonds(shown), ...edgesOf(cell)];
    this.middle = [0, 1, 2].map((axis) => {
      const all = this.parts.flatMap((part) => (part.ends ?? [part.at]).map((end) => end[axis]));
      return (Math.min(...all) + Math.max(...all)) / 2;
    });
    this.extent = Math.max(1.5, ...this.parts.flatMap((part) => (part.ends ?? [part.at]).map((end) => Math.hypot(...plus(end, this.middle, -1))))) + 0.8;
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !this.parts.length) return;
    const dense = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * dense, height * dense];
    const pen = canvas.getContext("2d");
    pen.scale(dense, dense);
    const ink = { bond: colour("--bond"), edge: colour("--soft") };
    const scale = (Math.min(width, height) / 2 / this.extent) * this.zoom;
    const project = (at) => {
      const [x, y, z] = this.turn.map((row) => dot(row, plus(at, this.middle, -1)));
      const near = 1 + z / (6 * this.extent); // a little perspective
      return [width / 2 + scale * x * near, height / 2 - scale * y * near, z, scale * near];
    };
    this.parts.map((part) => {
      const ends = (part.ends ?? [part.at]).map(project);
      return { part, ends, depth: ends.reduce((sum, end) => sum + end[2], 0) / ends.length - (part.kind === "atom" ? 0 : 0.05) };
    }).sort((a, b) => a.depth - b.depth).forEach(({ part, ends }) => (part.kind === "atom" ? ball(pen, part, ends[0]) : stick(pen, part, ends, ink)));
  }
}

function bonds(atoms) {
  const { radii } = elementsData.drawing;
  const found = [];
  if (atoms.length > 400) return found;
  atoms.forEach((a, row) => atoms.slice(row + 1).forEach((b) => {
    const apart = Math.hypot(...plus(a.at, b.at, -1));
    if (apart > 0.3 && apart < 1.15 * (radii[a.z] + radii[b.z])) found.push({ kind: "bond", ends: [a.at, b.at] });
  }));
  return found;
}

function edgesOf(cell) {
  if (!cell) return [];
  const [corner, ...edges] = cell;
  return edges.flatMap((edge, axis) => [0, 1, 2, 3].map((which) => {
    const others = edges.filter((_, other) => other !== axis);
    const start = plus(plus(corner, others[0], which & 1), others[1], which >> 1);
    return { kind: "edge", ends: [start, plus(start, edge)] };
  }));
}

function ball(pen, { z }, [x, y, , scale]) {
  const { radii, colours } = elementsData.drawing;
  const size = Math.max(2, 0.42 * radii[z] * scale + 0.06 * scale);
  const rgb = [0, 2, 4].map((at) => parseInt(colours[z].slice(at, at + 2), 16));
  const mixed = (with_, share) => `rgb(${rgb.map((part) => Math.round(part + share * (with_ - part)))})`;
  const shade = pen.createRadialGradient(x - size / 3, y - size / 3, size / 8, x, y, size);
  shade.addColorStop(0, mixed(255, 0.65));
  shade.addColorStop(0.45, mixed(0, 0));
  shade.addColorStop(1, mixed(0, 0.45));
  pen.beginPath();
  pen.arc(x, y, size, 0, 2 * Math.PI);
  pen.fillStyle = shade;
  pen.fill();
}

function stick(pen, { kind }, [from, to], ink) {
  pen.beginPath();
  pen.moveTo(from[0], from[1]);
  pen.lineTo(to[0], to[1]);
  pen.lineCap = "round";
  pen.lineWidth = kind === "bond" ? Math.max(1.5, 0.1 * from[3]) : 1;
  pen.strokeStyle = ink[kind];
  pen.stroke();
}
