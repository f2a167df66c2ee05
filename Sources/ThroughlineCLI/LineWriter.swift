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
        /// What stands on the terminal's last line.
        var isLiveShown = false
        var hasLiveChanged = false
        var isClosed = false
        var failure: String?
    }

    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private let state = Guarded(State())
    private let thread = Guarded<WorkerThread?>(nil)

    /// The line that stands for so many that were left out.
    private let leftOutLine: @Sendable (Int) -> String

    init(
        _ descriptor: Int32, owning ownsDescriptor: Bool = false,
        leftOutLine: @escaping @Sendable (Int) -> String = { "(\($0) lines were left out)" }
    ) {
        self.leftOutLine = leftOutLine
        self.descriptor = descriptor
        self.ownsDescriptor = ownsDescriptor
        let (state, descriptor) = (state, descriptor)
        thread.withLock {
            $0 = WorkerThread(name: "tl-lines", stackSize: 256 << 10) { Self.run(state, descriptor) }
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
    func show(live: String?) {
        state.withLockAndWake { state in
            guard state.live != live else { return }
            state.live = live
            state.hasLiveChanged = true
        }
    }

    /// Nobody closed it: what it was for could not begin.
    deinit { if thread.withLock({ $0 != nil }) { close() } }

    /// Writes what waits, and ends. To be called once; without it the last owner waits for that.
    ///
    /// - Returns: why lines could not be written, if so.
    @discardableResult
    func close() -> String? {
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

    private static func run(_ state: Guarded<State>, _ descriptor: Int32) {
        while true {
            let bytes: [UInt8]? = state.wait { state, _ -> [UInt8]?? in
                guard !state.pending.isEmpty || state.hasLiveChanged else { return state.isClosed ? .some(nil) : nil }
                var bytes: [UInt8] = []
                if state.isLiveShown { bytes += Array("\r\u{1B}[K".utf8) }
                bytes += state.pending
                state.pending.removeAll(keepingCapacity: true)
                if let live = state.live { bytes += Array(live.utf8) }
                state.isLiveShown = state.live != nil
                state.hasLiveChanged = false
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
                    let reason = String(cString: strerror(errno))
                    state.withLock { $0.failure = reason }
                    rest = []
                }
            }
        }
    }
}
