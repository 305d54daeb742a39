// The cluster: its workers on the mesh, what they do, what they send each other, and the queue.

import { read } from "/page/api.js";
import { duration } from "/page/painting.js";

/** Often enough to see a worker come and go; rates are taken over a longer time, as workers report four times a second. */
const pollMilliseconds = 400;
const rateMilliseconds = 1500;

const words = {
  joining: "joining", loading: "loading", ready: "ready", computing: "computing", lost: "lost",
  returning: "coming back", leaving: "leaving",
};

const idle = {
  computing: "between two calls", lost: "no sign of life", returning: "starts and loads its weights",
  joining: "starts", loading: "loads its weights",
};

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  let value = count;
  while (value >= 1024 && index < units.length - 1) { value /= 1024; index += 1; }
  return `${value >= 100 || index === 0 ? Math.round(value) : value.toFixed(1)} ${units[index]}`;
}

const percent = share => `${Math.round(100 * Math.min(1, Math.max(0, share)))} %`;

export class ClusterView {
  constructor(root, announce) {
    const find = id => root.querySelector("#" + id);
    Object.assign(this, { root, announce, overview: find("overview"), reason: find("cluster-reason"),
      mesh: find("mesh"), traffic: find("traffic"), losses: find("losses"), lossesCard: find("losses-card"),
      samples: [], states: new Map() });
  }

  start() {
    this.stop();
    const round = async () => {
      try {
        this.show(await read("/v1/cluster"));
      } catch (error) {
        this.reason.textContent = error.sentence || String(error);
        this.reason.hidden = false;
        // Without a key it would be asked for again and again; coming back to this view asks once.
        if (error.status === 401) this.stop();
      }
      if (this.isRunning) this.timer = setTimeout(round, document.hidden ? 5000 : pollMilliseconds);
    };
    this.isRunning = true;
    round();
  }

  stop() {
    this.isRunning = false;
    clearTimeout(this.timer);
  }

  show(cluster) {
    const now = performance.now();
    while (this.samples.length > 1 && now - this.samples[1].at > rateMilliseconds) this.samples.shift();
    const [before] = this.samples;
    const seconds = before ? (now - before.at) / 1000 : 0;
    // A worker that was started anew counts from 0 again.
    const old = worker => (seconds > 0 && before.cluster.workers.find(
      other => other.rank === worker.rank && other.process_id === worker.process_id)) || null;
    this.reason.hidden = !cluster.reason;
    this.reason.textContent = cluster.reason || "";
    this.showOverview(cluster);
    this.showMesh(cluster, old, seconds);
    this.showTraffic(cluster, old, seconds);
    this.showLosses(cluster.incidents);
    for (const worker of cluster.workers) {
      const last = this.states.get(worker.name);
      const notable = ["lost", "returning"];
      if (last && last !== worker.state && (notable.includes(worker.state) || notable.includes(last))) {
        this.announce(`${worker.name} is ${words[worker.state] || worker.state}.`);
      }
      this.states.set(worker.name, worker.state);
    }
    this.samples.push({ at: now, cluster });
  }

  showOverview(cluster) {
    const { queue } = cluster;
    const facts = [
      ["State", cluster.state], ["Model", cluster.model.id], ["Workers", String(cluster.workers.length)],
      ["Running", String(queue.running)], ["Waiting", String(queue.waiting)],
      ["Last step", queue.last_progress_seconds === null ? "none yet"
        : queue.last_progress_seconds < 1 ? "now" : `${duration(queue.last_progress_seconds)} ago`],
      ["Epoch", String(cluster.epoch)],
      ["Restarts", String(cluster.workers.reduce((sum, worker) => sum + worker.restarts, 0))],
    ];
    this.overview.replaceChildren(...facts.map(([name, value]) => {
      const part = make("div");
      part.append(make("dt", "", name), make("dd", "", value));
      return part;
    }));
  }

  showLosses(incidents) {
    this.lossesCard.hidden = !incidents.length;
    this.losses.replaceChildren(...incidents.toReversed().map(one => {
      const away = one.seconds_away === null ? "is awaited again"
        : `back after ${one.seconds_away.toFixed(1)} s`;
      return make("li", "", `${duration(one.seconds_ago)} ago: ${one.worker} ${one.loss} while ${one.doing}; ${away}.`);
    }));
  }

  /** One grid a group of the outer axes: the last axis are its columns, the one before its rows. */
  showMesh(cluster, old, seconds) {
    const axes = cluster.mesh.length ? cluster.mesh : [{ name: "worker", size: cluster.workers.length }];
    const columns = axes[axes.length - 1];
    const rows = axes.length > 1 ? axes[axes.length - 2] : { name: "", size: 1 };
    const groups = cluster.workers.length / (columns.size * rows.size);
    const made = [];
    for (let group = 0; group < groups; group += 1) {
      const part = make("div", "mesh-group");
      const outer = axes.slice(0, -2);
      if (outer.length) {
        let rest = group;
        const names = outer.map(axis => axis).reverse().map(axis => {
          const index = rest % axis.size;
          rest = Math.floor(rest / axis.size);
          return `${axis.name} ${index}`;
        }).reverse();
        part.append(make("p", "axis", names.join(", ")));
      }
      const grid = make("div", "mesh-grid");
      grid.style.gridTemplateColumns = `${rows.name ? "auto " : ""}repeat(${columns.size}, minmax(12rem, 1fr))`;
      if (rows.name) grid.append(make("span", "axis"));
      for (let column = 0; column < columns.size; column += 1) {
        grid.append(make("span", "axis column", `${columns.name} ${column}`));
      }
      for (let row = 0; row < rows.size; row += 1) {
        if (rows.name) grid.append(make("span", "axis", `${rows.name} ${row}`));
        for (let column = 0; column < columns.size; column += 1) {
          const worker = cluster.workers[(group * rows.size + row) * columns.size + column];
          if (worker) grid.append(this.worker(worker, old(worker), seconds, axes));
        }
      }
      part.append(grid);
      made.push(part);
    }
    this.mesh.replaceChildren(...made);
  }

  worker(worker, before, seconds, axes) {
    const card = make("article", `worker ${worker.state}`);
    card.dataset.worker = worker.name;
    card.dataset.state = worker.state;
    const head = make("div", "head");
    head.append(make("h3", "", worker.name), make("span", "pill", words[worker.state] || worker.state));
    const place = axes.map((axis, index) => `${axis.name} ${worker.coordinates[index] ?? 0}`).join(", ");
    card.setAttribute("aria-label", `${worker.name}, ${words[worker.state] || worker.state}, ${place}`);
    const call = worker.running;
    const doing = make("p", "doing", call ? `${call.program}, call ${call.step} of request ${call.request}` : "");
    if (!call) doing.append(make("span", "soft", idle[worker.state] || "nothing to compute"));
    card.append(head, doing, this.memory(worker), this.time(worker, before, seconds));
    const facts = [worker.host && `${worker.host}, process ${worker.process_id}`,
      worker.restarts && `started anew ${worker.restarts} ×`].filter(Boolean).join(" · ");
    card.append(make("p", "soft", facts || "–"));
    return card;
  }

  memory(worker) {
    const part = make("div", "measure");
    const line = make("span");
    const { resident_bytes: resident, limit_bytes: limit } = worker.memory;
    line.append(make("span", "", "Memory"), make("span", "", limit ? `${bytes(resident)} of ${bytes(limit)}`
      : bytes(resident)));
    part.append(line);
    if (limit) part.append(this.bar([resident / limit]));
    return part;
  }

  time(worker, before, seconds) {
    const part = make("div", "measure");
    const line = make("span");
    let [compute, collective] = [0, 0];
    if (before && seconds > 0) {
      compute = (worker.compute_seconds - before.compute_seconds) / seconds;
      collective = (worker.collective_seconds - before.collective_seconds) / seconds;
    }
    line.append(make("span", "", "Computes / exchanges"), make("span", "",
      `${percent(compute)} / ${percent(collective)}`));
    part.append(line, this.bar([compute, collective]));
    return part;
  }

  bar(shares) {
    const bar = make("div", "bar");
    bar.setAttribute("aria-hidden", "true");
    shares.forEach((share, index) => {
      const part = make("i", index ? "second" : "");
      part.style.width = `${Math.min(100, Math.max(0, 100 * share))}%`;
      bar.append(part);
    });
    return bar;
  }

  showTraffic(cluster, old, seconds) {
    const head = make("tr");
    head.append(make("th", "", "from \\ to"), ...cluster.workers.map(worker => {
      const cell = make("th", "", worker.name);
      cell.scope = "col";
      return cell;
    }));
    const rates = cluster.workers.map(worker => {
      const before = old(worker);
      return worker.sent_bytes.map((count, peer) => before && before.sent_bytes.length
        ? Math.max(0, count - before.sent_bytes[peer]) / seconds : 0);
    });
    const most = Math.max(1, ...rates.flat());
    const rows = cluster.workers.map((worker, rank) => {
      const row = make("tr");
      const name = make("th", "", worker.name);
      name.scope = "row";
      row.append(name, ...cluster.workers.map((peer, index) => {
        if (index === rank) return make("td", "self", "");
        const rate = rates[rank][index] || 0;
        const level = rate === 0 ? "" : rate < most / 3 ? "low" : rate < most * 2 / 3 ? "mid" : "high";
        const cell = make("td", level, rate ? `${bytes(rate)}/s` : "–");
        cell.append(make("small", "", bytes(worker.sent_bytes[index] || 0)));
        return cell;
      }));
      return row;
    });
    this.traffic.replaceChildren(head, ...rows);
  }
}
