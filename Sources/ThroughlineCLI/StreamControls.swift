internal import Glibc
internal import Throughline
internal import ThroughlineCore

/// Takes what a viewer asks for from standard input, a command a line, on a thread of its own.
enum StreamControls {
    static let help =
        "pause, resume, seek TIME, rate NUMBER (-1: backwards, over RTSP), bandwidth BITS, "
        + "migrate [URL|NUMBER] [at TIME], stop"

    /// - Parameter complain: told of lines that are no command.
    static func read(for stream: ResilientStream, complain: @escaping @Sendable (String) -> Void) {
        // Never joined: it waits in the system until the process ends.
        let thread = UnsafeMutablePointer<pthread_t>.allocate(capacity: 1)
        let context = Unmanaged.passRetained(Context(stream: stream, complain: complain))
        let result = pthread_create(
            thread, nil,
            { context in
                if let context { Unmanaged<Context>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        if result == 0 { pthread_detach(thread.pointee) } else { context.release() }
        thread.deallocate()
    }

    private final class Context: Sendable {
        let stream: ResilientStream
        let complain: @Sendable (String) -> Void

        init(stream: ResilientStream, complain: @escaping @Sendable (String) -> Void) {
            self.stream = stream
            self.complain = complain
        }

        func run() {
            while let line = readLine() {
                if let problem = obey(line) { complain(problem) }
            }
        }

        /// `migrate`, `migrate 1`, `migrate at 1:30`, `migrate http://b.example/film.ts at 1:30`.
        private func migrate(_ text: String) -> String? {
            var words = text.split(separator: " ").map { String($0) }
            var npt: MediaTime?
            if words.count >= 2, words[words.count - 2] == "at" {
                guard let time = TimeArgument(argument: words[words.count - 1]) else {
                    return "'\(words[words.count - 1])' is no time; say migrate at 1:30"
                }
                npt = MediaTime(time.duration)
                words.removeLast(2)
            }
            guard words.count <= 1 else { return "say migrate, or migrate URL, or migrate 1, and at 1:30 behind it" }
            do throws(StreamError) {
                if let number = words.first.flatMap({ Int($0) }) {
                    try stream.migrate(to: OriginID(number), at: npt)
                } else {
                    try stream.migrate(to: words.first, at: npt)
                }
            } catch { return error.message }
            return nil
        }

        /// Why a line cannot be obeyed; nil when it was.
        private func obey(_ line: String) -> String? {
            let words = line.split(separator: " ", maxSplits: 1).map { String($0) }
            switch (words.first ?? "", words.count > 1 ? words[1] : nil) {
            case ("", _): return nil
            case ("pause", nil): stream.pause()
            case ("resume", nil): stream.resume()
            case ("stop", nil): stream.stop()
            case ("migrate", let text): return migrate(text ?? "")
            case ("seek", let text?):
                guard let time = TimeArgument(argument: text) else { return "'\(text)' is no time; say seek 1:30" }
                stream.seek(to: MediaTime(time.duration))
            case ("bandwidth", let text?):
                guard let bits = Int64(text) else { return "'\(text)' is no bandwidth; say bandwidth 500000" }
                do { try stream.limitBandwidth(to: bits) } catch { return error.message }
            case ("rate", let text?):
                guard let rate = Rate(decimal: text) else { return "'\(text)' is no rate; say rate 2" }
                do { try stream.setRate(rate) } catch { return error.message }
            default: return "'\(line.prefix(60))' is no command; there are: \(StreamControls.help)"
            }
            return nil
        }
    }
}
