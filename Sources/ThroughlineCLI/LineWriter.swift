import Glibc
internal import ThroughlineCore

/// Writes lines to a descriptor on a thread of its own: whoever reads them slowly, or not at all, does not hold up the
/// stream. On a terminal the last line can be a live one, redrawn in place.
final class LineWriter: Sendable {
    /// Bytes that wait at the most; lines beyond that are left out, and their number is told.
    static let limit = 8 << 20

    private struct State {
        var pending: [UInt8] = []
        var leftOut = 0
        var live: String?
        /// Columns of the terminal, when it was looked at last.
        var width = 80
        /// Columns of what stands on the terminal's last line; nil where nothing does.
        var shown: Int?
        var hasLiveChanged = false
        var isWriting = false
        var isClosed = false
        /// Error number of a line that was not taken; nothing is written after it.
        var failure: Int32?
    }

    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private let state = Guarded(State())
    private let thread = Guarded<WorkerThread?>(nil)

    /// The line that stands for so many that were left out.
    private let leftOutLine: @Sendable (Int) -> String

    /// - Parameter onFailure: told the error number of a line that was not taken, once, on the writer's thread.
    init(
        _ descriptor: Int32, owning ownsDescriptor: Bool = false,
        leftOutLine: @escaping @Sendable (Int) -> String = { "(\($0) lines were left out)" },
        onFailure: @escaping @Sendable (Int32) -> Void = { _ in }
    ) {
        self.leftOutLine = leftOutLine
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
        let (state, descriptor) = (state, descriptor)
        thread.withLock {
            $0 = WorkerThread(name: "tl-lines", stackSize: 256 << 10) { Self.run(state, descriptor, onFailure) }
        }
    }

    /// Takes lines without their last line break. Never blocks.
    func write(_ text: String) {
        state.withLockAndWake { state in
            guard !state.isClosed, state.failure == nil else { return }
            guard state.pending.count < Self.limit else {
                state.leftOut += 1
                return
            }
            if state.leftOut > 0 {
                state.pending += Array((leftOutLine(state.leftOut) + "\n").utf8)
                state.leftOut = 0
            }
            state.pending += Array(text.utf8)
            state.pending.append(UInt8(ascii: "\n"))
        }
    }

    /// What the live line shows; nil takes it away.
    ///
    /// - Parameter width: columns of the terminal at present.
    func show(live: String?, width: Int) {
        state.withLockAndWake { state in
            guard state.live != live || state.width != width else { return }
            state.live = live
            state.width = width
            state.hasLiveChanged = true
        }
    }

    /// Waits until what waits has been written, or for so long.
    func flush(atMost duration: Duration) {
        _ = state.wait(until: .now + duration) { state in
            state.failure != nil || state.pending.isEmpty && !state.hasLiveChanged && !state.isWriting ? () : nil
        }
    }

    /// Nobody closed it: what it was for could not begin.
    deinit { if thread.withLock({ $0 != nil }) { close() } }

    /// Writes what waits, and ends. To be called once; without it the last owner waits for that.
    ///
    /// - Returns: the error number of the line that could not be written, if so.
    @discardableResult
    func close() -> Int32? {
        state.withLockAndWake { state in
            state.isClosed = true
            state.hasLiveChanged = state.hasLiveChanged || state.live != nil
            state.live = nil
        }
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
        if ownsDescriptor { Glibc.close(descriptor) }
        return state.withLock { $0.failure }
    }

    private static func run(
        _ state: Guarded<State>, _ descriptor: Int32, _ onFailure: @Sendable (Int32) -> Void
    ) {
        while true {
            let bytes: [UInt8]? = state.wait { state, _ -> [UInt8]?? in
                guard !state.pending.isEmpty || state.hasLiveChanged else { return state.isClosed ? .some(nil) : nil }
                var bytes: [UInt8] = []
                if let shown = state.shown { bytes += erasing(shown, width: state.width) }
                bytes += state.pending
                state.pending.removeAll(keepingCapacity: true)
                if let live = state.live { bytes += Array(live.utf8) }
                state.shown = state.live?.columns
                state.hasLiveChanged = false
                state.isWriting = true
                return bytes
            }
            guard let bytes else { return }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count > 0 {
                    rest = rest.dropFirst(count)
                } else if count < 0, errno == EAGAIN {
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&waiting, 1, 100)
                } else if count < 0, errno != EINTR {
                    let error = errno
                    state.withLock { $0.failure = error }
                    onFailure(error)
                    rest = []
                }
            }
            state.withLockAndWake { $0.isWriting = false }
        }
    }

    /// What takes the live line away. Where the window has become narrower, terminals break it into several rows, and the
    /// cursor stands on the last of them. Row by row: to clear all from the first row of the screen on is to clear the
    /// screen, which tmux keeps for scrolling back.
    static func erasing(_ columns: Int, width: Int, reflows: Bool = reflows) -> [UInt8] {
        let rows = reflows ? max(0, columns - 1) / max(1, width) : 0
        return Array(("\r\u{1B}[2K" + String(repeating: "\u{1B}[A\u{1B}[2K", count: rows)).utf8)
    }

    /// Linux's console, GNU screen and xterm cut a line instead.
    static let reflows: Bool = {
        let terminal = getenv("TERM").map { String(cString: $0) } ?? ""
        if getenv("TMUX") != nil { return true }
        return terminal != "linux" && !terminal.hasPrefix("screen") && getenv("XTERM_VERSION") == nil
    }()
}
