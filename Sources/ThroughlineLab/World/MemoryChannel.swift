internal import NIOCore
internal import NIOEmbedded
internal import ThroughlineCore

/// A connection of a world as an origin's channel: what comes is read into its pipeline, what the pipeline writes is sent
/// as far as the other end has room for it, and a write has succeeded when all of it was taken.
///
/// On the loop of its world.
final class MemoryChannel: ChannelOutboundHandler, Wire {
    typealias OutboundIn = IOData

    let end: MemoryConnection.End
    let channel: EmbeddedChannel
    private(set) var isOver = false
    private let place: (network: MemoryNetwork, host: String, link: NetworkLink)
    private var unsent: [(bytes: ArraySlice<UInt8>, promise: EventLoopPromise<Void>?)] = []
    private var unsentByteCount = 0
    private var flushed = 0
    private var resets = false
    private let piece: UnsafeMutableRawBufferPointer

    /// With more that is unsent a channel is no longer writable, and with less than half of it, it is again, as with NIO's.
    private static let highWater = 64 << 10

    /// - Parameters:
    ///   - host: of the origin.
    ///   - link: what the way to it is like.
    init(_ end: MemoryConnection.End, network: MemoryNetwork, host: String, link: NetworkLink) throws {
        self.end = end
        place = (network, host, link)
        channel = EmbeddedChannel()
        piece = .allocate(byteCount: 16 << 10, alignment: 16)
        try channel.pipeline.syncOperations.addHandler(self)
        // Only then is it active; the address leads nowhere.
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        channel.embeddedEventLoop.run()
    }

    deinit { piece.deallocate() }

    // MARK: - Wire

    var undeliveredByteCount: Int { end.unreadByteCount }
    let takesFileRegions = false
    func resetOnClose() { resets = true }
    func openDatagramPorts(to clientPorts: ClosedRange<UInt16>) -> (any DatagramPorts)? {
        // Both ends of a world have the same address.
        MemoryDatagramPorts(
            network: place.network, host: place.host, link: place.link, client: place.host, clientPorts: clientPorts)
    }

    // MARK: - In

    /// Takes what has come, and sends what there is room for again.
    func pump() {
        drain()
        if !channel.isWritable, unsentByteCount < Self.highWater / 2 { setWritable(true) }
        while !isOver {
            switch end.receive(into: piece) {
            case .bytes(let count):
                _ = try? channel.writeInbound(ByteBuffer(bytes: piece[..<count]))
            case .nothing, .refused:
                channel.embeddedEventLoop.run()
                return
            case .end, .reset: channel.close(promise: nil)
            }
            channel.embeddedEventLoop.run()
        }
    }

    /// The world ends.
    func abandon() {
        isOver = true
        fail()
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }

    // MARK: - Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .byteBuffer(let buffer) = unwrapOutboundIn(data) else {
            preconditionFailure("regions of files are not for a world")
        }
        unsent.append((Array(buffer.readableBytesView)[...], promise))
        unsentByteCount += buffer.readableBytes
    }

    func flush(context: ChannelHandlerContext) {
        flushed = unsent.count
        drain()
        if channel.isWritable, unsentByteCount > Self.highWater { setWritable(false) }
    }

    private func setWritable(_ isWritable: Bool) {
        channel.isWritable = isWritable
        channel.pipeline.fireChannelWritabilityChanged()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if !isOver {
            isOver = true
            if resets { end.reset() } else { end.finish() }
            fail()
        }
        context.close(mode: mode, promise: promise)
    }

    private func drain() {
        while !isOver, flushed > 0, let first = unsent.first {
            let count = end.send(first.bytes)
            unsentByteCount -= count
            guard count == first.bytes.count else {
                unsent[0].bytes = first.bytes.dropFirst(count)
                return
            }
            unsent.removeFirst()
            flushed -= 1
            first.promise?.succeed()
        }
    }

    private func fail() {
        let rest = unsent
        (unsent, flushed, unsentByteCount) = ([], 0, 0)
        for write in rest { write.promise?.fail(ChannelError.ioOnClosedChannel) }
    }
}

/// A port of a world.
final class MemoryBinding: PortBinding {
    private let network: MemoryNetwork
    private let loop: WorldLoop
    private let link: NetworkLink
    private var place = (host: "", port: 0)

    init(network: MemoryNetwork, loop: WorldLoop, link: NetworkLink) {
        self.network = network
        self.loop = loop
        self.link = link
    }

    func reserve(host: String, port: Int) throws(OriginError) -> Int {
        place = (host, port > 0 ? port : network.newPort())
        return place.port
    }

    func open(_ accepted: @escaping (any Channel, any Wire) throws -> Void) -> EventLoopFuture<Void> {
        nonisolated(unsafe) let accepted = accepted
        let isOurs = network.listen(host: place.host, port: place.port, link: link) {
            [network, loop, link, place] end in
            // On the way to the origin, on whatever thread connects.
            loop.scheduleTask(in: .nanoseconds(link.latency.wholeNanoseconds)) {
                do {
                    let channel = try MemoryChannel(end, network: network, host: place.host, link: link)
                    loop.adopt(channel)
                    try accepted(channel.channel, channel)
                } catch { end.reset() }
            }
        }
        return isOurs
            ? loop.makeSucceededVoidFuture()
            : loop.makeFailedFuture(OriginError(description: "the port is taken"))
    }

    func close() { network.stopListening(host: place.host, port: place.port) }
    func release() {}
}
