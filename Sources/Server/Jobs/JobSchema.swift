import GRDB

/// The tables of a jobs file, and how older ones become them.
enum JobSchema {
    /// The file is another program's.
    struct Foreign: Error {}
    /// The file has been through migrations that are not known here.
    struct Newer: Error {}

    /// Tells a jobs file from other programs' ("Tsra"; SQLite, "Database File Format", 1.3.16).
    private static let applicationID = 0x5473_7261

    /// Migrations in their order; one that was released is never changed.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("jobs") { database in
            try database.execute(
                sql: """
                    CREATE TABLE job (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        owner TEXT NOT NULL,
                        state TEXT NOT NULL,
                        created REAL NOT NULL,
                        finished REAL,
                        idempotency_key TEXT,
                        record BLOB NOT NULL,
                        image BLOB,
                        mask BLOB);
                    CREATE UNIQUE INDEX job_key ON job (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
                    CREATE INDEX job_owner ON job (owner, number);
                    CREATE INDEX job_finished ON job (finished);
                    CREATE TABLE picture (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        job INTEGER NOT NULL REFERENCES job (number) ON DELETE CASCADE,
                        finished REAL NOT NULL,
                        hash TEXT NOT NULL,
                        byte_count INTEGER NOT NULL,
                        bytes BLOB NOT NULL);
                    CREATE INDEX picture_job ON picture (job);
                    CREATE INDEX picture_finished ON picture (finished, number, byte_count);
                    """)
        }
        return migrator
    }

    /// Marks a new file as ours, and refuses what is not.
    static func claim(_ database: Database) throws {
        let id = try Int.fetchOne(database, sql: "PRAGMA application_id")
        let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
        if id != applicationID {
            guard pages == 0 else { throw Foreign() }
            // Both are kept in the first page, which the first table makes.
            try database.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        } else if try migrator.hasBeenSuperseded(database) {
            throw Newer()
        }
        guard try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL") == "wal" else {
            throw DatabaseError(message: "no write-ahead log can be kept beside it")
        }
    }
}
