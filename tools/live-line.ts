/** A line that is rewritten in place on a terminal; elsewhere every version is a line of its own. */
export class LiveLine {
  update(text: string): void {
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[2K${text}`);
    else console.log(text);
  }

  finish(text: string): void {
    this.update(text);
    if (process.stdout.isTTY) process.stdout.write("\n");
  }
}
