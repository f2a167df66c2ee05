internal import DequeModule
import Glibc
internal import ThroughlineCore
internal import ThroughlineMedia

/// Presents packets when they are due: takes them from the playout buffer and hands them to the outputs, on a thread of
/// its own.
final class Pacer {
    /// Packets that are handed over at once at the most.
    static let batchLimit = 256

    private let buffer: PlayoutBuffer
    private let outputs: [any PacketOutput]
    /// Called before the first packet goes out, and after each batch; on the pacer's thread.
    private let firstOut: (MediaTime) -> Void
    private let batchOut: () -> Void
    private(set) var presented: [FlowAccount]

    init(
        buffer: PlayoutBuffer, outputs: [any PacketOutput], flowCount: Int, firstOut: @escaping (MediaTime) -> Void,
        batchOut: @escaping () -> Void
    ) {
        self.buffer = buffer
        self.outputs = outputs
        self.firstOut = firstOut
        self.batchOut = batchOut
        presented = Array(repeating: FlowAccount(), count: flowCount)
    }

    /// Runs until the buffer is empty and ended, or aborted; then finishes the outputs.
    func run() throws(OutputError) {
        // A reader that closes its pipe is an error to report, not a reason to die.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var batch = UniqueDeque<Packet>()
        var isFirst = true
        loop: while true {
            let shift: MediaTime
            switch buffer.take(into: &batch, limit: Self.batchLimit) {
            case .ended, .aborted: break loop
            case .batch(let wanted): shift = wanted
            }
            if isFirst, let first = batch[0].due {
                isFirst = false
                firstOut(first)
            }
            while !batch.isEmpty {
                var packet = batch.removeFirst()
                presented[packet.flow].received(
                    pts: packet.pts, dts: packet.dts, duration: packet.duration, byteCount: packet.byteCount)
                if shift != .zero {
                    packet.pts = packet.pts.map { $0 + shift }
                    packet.dts = packet.dts.map { $0 + shift }
                }
                for output in outputs { try output.write(packet) }
            }
            for output in outputs { try output.flush() }
            batchOut()
        }
        for output in outputs { try output.finish() }
    }
}
