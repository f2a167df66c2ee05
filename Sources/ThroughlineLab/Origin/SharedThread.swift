internal import NIOPosix

/// The thread that all origins of the process share. It is never stopped.
enum SharedThread {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
}
