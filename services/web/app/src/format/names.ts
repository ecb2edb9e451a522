/** Short forms of identifiers a person may see. */

/** The end of an id: enough to tell two apart, and to find it by search. */
export function shortId(id: string): string {
  return id.length > 8 ? `…${id.slice(-6)}` : id;
}

/** A broker's folder name as a label, until its title comes with its connection page. */
export function brokerLabel(broker: string): string {
  return broker.replaceAll("_", " ").toUpperCase();
}
