internal import NIOPosix

/// The thread that all origins of the process share. It is never stopped.
enum SharedThread {
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    static var whereabouts: Whereabouts {
        let loop = group.next()
        return Whereabouts(loop: loop) { SocketBinding(loop: loop) }
    }
}
