internal import NIOCore

/// A port that is open while that is wanted, and stays reserved meanwhile. Used on its event loop only.
final class ListeningPort: @unchecked Sendable {
    // Unchecked: touched on `loop` only.
    private let loop: any EventLoop
    private let host: String
    private let binding: any PortBinding
    private let isWanted: () -> Bool
    private let accepted: (any Channel, any Wire) throws -> Void
    private let tell: (OriginEvent) -> Void
    private var number = 0
    private var isOpen = false
    private var isBinding = false

    /// - Parameters:
    ///   - isWanted: whether it is to be open; asked again once it is.
    ///   - accepted: prepares each connection.
    init(
        host: String, whereabouts: Whereabouts, isWanted: @escaping () -> Bool,
        accepted: @escaping (any Channel, any Wire) throws -> Void, tell: @escaping (OriginEvent) -> Void
    ) {
        self.host = host
        loop = whereabouts.loop
        binding = whereabouts.makeBinding()
        self.isWanted = isWanted
        self.accepted = accepted
        self.tell = tell
    }

    /// Takes a port, 0 for any, without listening yet.
    func reserve(_ port: Int) throws(OriginError) -> Int {
        number = try binding.reserve(host: host, port: port)
        return number
    }

    /// Whether `open` has something to do.
    var isClosed: Bool { !isOpen && !isBinding }

    /// Listens, if that is wanted and not so already.
    func open() -> EventLoopFuture<Void> {
        guard number > 0, isWanted(), isClosed else { return loop.makeSucceededVoidFuture() }
        isBinding = true
        return binding.open(accepted)
            .map {
                self.isBinding = false
                self.isOpen = true
                self.tell(.listening(port: self.number))
                self.closeIfUnwanted()
            }
            .flatMapErrorThrowing { error in
                self.isBinding = false
                throw OriginError(description: "cannot listen on \(self.host) port \(self.number): \(error)")
            }
    }

    func closeIfUnwanted() {
        guard !isWanted(), isOpen else { return }
        isOpen = false
        binding.close()
        tell(.closedPort)
    }

    /// Gives the port back. It must be closed.
    func release() { binding.release() }
}
