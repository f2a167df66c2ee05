import Glibc
internal import ThroughlineCore

/// The lines of standard input, as they come, to its end.
enum InputLines {
    static func read(_ body: (String) -> Void) {
        var splitter = LineSplitter()
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(STDIN_FILENO, &bytes, bytes.count)
            if count > 0 {
                for line in splitter.take(bytes[..<count]) { body(line) }
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN {
                var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                poll(&waiting, 1, -1)
            } else {
                break
            }
        }
        if let line = splitter.end() { body(line) }
    }
}
