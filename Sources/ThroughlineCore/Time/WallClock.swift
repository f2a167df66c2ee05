internal import CPosix

/// The clock on the wall, for dates in reports and protocols; in a world the world's.
public enum WallClock {
    /// Seconds since 1970-01-01T00:00:00Z.
    package static var seconds: Int { Int(nanoseconds / 1_000_000_000) }

    /// Nanoseconds since 1970-01-01T00:00:00Z (`CLOCK_REALTIME`). May jump when somebody sets the clock.
    package static var nanoseconds: Int64 {
        if let thread = WorldThread.current {
            let world = thread.world
            return world.wallClockAtBeginning + (world.now - World.beginning).wholeNanoseconds
        }
        return tl_wall_nanoseconds()
    }
}
