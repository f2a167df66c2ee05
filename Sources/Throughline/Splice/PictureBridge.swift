internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Fills the pictures between what is kept of one encode and the key frame at which another goes on.
///
/// A flow can rarely be cut exactly at the other's key frame: pictures before it refer to pictures after it. The other
/// encode has them too, inside the group of pictures before its key frame; those few are decoded and encoded anew, as
/// a run that stands by itself.
enum PictureBridge {
    /// Pictures that are encoded at the most: what one core does well within a second.
    static let pictureLimit = 300

    /// - Parameters:
    ///   - packets: the other encode's packets, from a key frame before the span on, and with those behind the key
    ///     frame at which it goes on that are presented before it.
    ///   - span: the presentation times to fill.
    ///   - form: how the packets that follow carry their payload.
    ///   - lead: how far decode times lie before presentation times at the key frame that follows.
    /// - Returns: the packets of the run, in order; none when they cannot be made.
    static func fill(
        _ span: Range<MediaTime>, from packets: borrowing UniqueDeque<Packet>, flow: FlowFormat,
        form: PayloadForm, lead: MediaTime, duration: MediaTime, tolerance: MediaTime
    ) -> UniqueDeque<Packet> {
        guard let codec = flow.payloadCodec.video, let decoder = try? Decoder(flow: flow),
            let repacker = try? Repacker(from: .annexB(codec), to: form)
        else { return UniqueDeque() }
        var encoder: PictureEncoder?
        var run = UniqueDeque<Packet>()
        var failed = false
        var pictures = 0
        func take(_ frame: borrowing DecodedFrame) {
            guard !failed, let pts = frame.pts, pts >= span.lowerBound - tolerance, pts < span.upperBound - tolerance
            else { return }
            pictures += 1
            guard pictures <= pictureLimit else {
                failed = true
                return
            }
            do throws(MediaError) {
                if encoder == nil { encoder = try PictureEncoder(flow: flow, like: frame) }
                try encoder?.encode(frame) { run.append($0) }
            } catch { failed = true }
        }
        var sawKey = false
        var wasBehind = false
        for index in 0..<packets.count where packets[index].flow == flow.index && !wasBehind {
            sawKey = sawKey || packets[index].isKey
            if sawKey { decoder.decode(packets[index]) { take($0) } }
            // In decode order nothing that is presented in the span comes after a picture behind the key frame.
            wasBehind = packets[index].pts.map { $0 > span.upperBound + tolerance } ?? false
        }
        decoder.drain { take($0) }
        do throws(MediaError) { try encoder?.drain { run.append($0) } } catch { failed = true }
        var timed = UniqueDeque<Packet>()
        var scratch: [UInt8] = []
        while !failed, !run.isEmpty {
            var packet = run.removeFirst()
            packet.dts = packet.pts.map { $0 - lead }
            packet.duration = duration
            guard (try? packet.repack(with: repacker, scratch: &scratch)) != nil else { return UniqueDeque() }
            timed.append(packet)
        }
        return timed
    }
}
