internal import ThroughlineCore
internal import ThroughlineMedia

/// Packets as they are, into a container.
final class MuxerOutput: PacketOutput {
    private let muxer: Muxer
    private let bytes: DescriptorOutput
    let warnings: [String]

    /// - Parameter start: NPT that is zero in the container.
    init(
        _ output: Output, flows: [FlowFormat], start: NPT, stop: DescriptorOutput.StopFlag, gate: ReaderGate? = nil
    ) throws(OutputError) {
        let bytes = try DescriptorOutput(output, stop: stop, gate: gate)
        let muxer = try Self.open(output, flows: flows, start: start, bytes: bytes)
        self.bytes = bytes
        self.muxer = muxer
        warnings = muxer.leftOut.map { "\(muxer.container) cannot carry \($0); it is left out" }
    }

    private static func open(
        _ output: Output, flows: [FlowFormat], start: NPT, bytes: DescriptorOutput
    ) throws(OutputError) -> Muxer {
        let (format, path) = output.container
        do throws(MediaError) {
            return try Muxer(format: format, name: path, flows: flows, start: start, output: bytes)
        } catch {
            if let failure = bytes.failure { throw failure }
            throw OutputError(
                message: ContainerFit(format: format, name: path, flows: flows).refusal("\(error)"), isUsage: true)
        }
    }

    func write(_ packet: borrowing Packet) throws(OutputError) {
        do throws(MediaError) { try muxer.write(packet) } catch { throw failure(error) }
    }

    func flush() throws(OutputError) {
        do throws(MediaError) { try muxer.flush() } catch { throw failure(error) }
    }

    func finish() throws(OutputError) {
        do throws(MediaError) { try muxer.finish() } catch { throw failure(error) }
    }

    private func failure(_ error: MediaError) -> OutputError { bytes.failure ?? OutputError(message: "\(error)") }
}
