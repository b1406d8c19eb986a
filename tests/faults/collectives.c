/* Preloaded into the program: one rank leaves collectives out, as a fault of the program would have
 * it.
 *
 *   SKIP_RANK=R      the rank (of OMPI_COMM_WORLD_RANK) that does
 *   SKIP_AT=N        the first collective that it leaves out, counted from 1
 *   SKIP_COUNT=M     how many; 1 when it is missing
 *   SKIP_TOTAL=FILE  where to write, at the end, how many there were
 *   SKIP_RENUMBER=1  the rank does not count what it left out: as if it had never come to it
 *
 * The communicator begins each collective with a small one that is always the same, MPI_Allreduce
 * of eight numbers: that, and what follows until the next of these, is one collective here. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long seen = 0;    /* collectives begun */
static int skipping = 0; /* inside one that is left out */
static long skipped = 0;

static long number(const char* variable, long otherwise) {
  const char* text = getenv(variable);
  return text != NULL ? atol(text) : otherwise;
}

static int is_this_rank(void) {
  const char* wanted = getenv("SKIP_RANK");
  const char* rank = getenv("OMPI_COMM_WORLD_RANK");
  return wanted != NULL && rank != NULL && strcmp(wanted, rank) == 0;
}

/* A collective begins. Its first number is how many the rank has begun; it is there negated as
 * well. */
static void begin(int64_t* extremes) {
  ++seen;
  const long at = number("SKIP_AT", 0);
  skipping = is_this_rank() && at > 0 && seen >= at && seen < at + number("SKIP_COUNT", 1);
  if (skipping) ++skipped;
  if (!skipping && number("SKIP_RENUMBER", 0) != 0) {
    extremes[0] -= skipped;
    extremes[4] += skipped;
  }
}

int MPI_Allreduce(const void* send, void* receive, int count, MPI_Datatype type, MPI_Op operation,
                  MPI_Comm comm) {
  if (send == MPI_IN_PLACE && count == 8 && type == MPI_INT64_T && operation == MPI_MAX)
    begin(receive);
  if (!skipping) return PMPI_Allreduce(send, receive, count, type, operation, comm);
  if (count == 1 && type == MPI_INT)
    *(int*)receive = 0; /* whether the sizes of an all_to_all are wrong */
  return MPI_SUCCESS;
}

int MPI_Bcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  return skipping ? MPI_SUCCESS : PMPI_Bcast(data, count, type, root, comm);
}

/* What is left out leaves no garbage behind: everybody seems to have said the same. */
int MPI_Allgather(const void* send, int count, MPI_Datatype type, void* receive, int each,
                  MPI_Datatype received, MPI_Comm comm) {
  if (!skipping) return PMPI_Allgather(send, count, type, receive, each, received, comm);
  int size = 0;
  int bytes = 0;
  MPI_Comm_size(comm, &size);
  MPI_Type_size(type, &bytes);
  const size_t length = (size_t)count * (size_t)bytes;
  for (int rank = 0; rank < size; ++rank)
    memcpy((char*)receive + (size_t)rank * length, send, length);
  return MPI_SUCCESS;
}

int MPI_Alltoall(const void* send, int count, MPI_Datatype type, void* receive, int each,
                 MPI_Datatype received, MPI_Comm comm) {
  return skipping ? MPI_SUCCESS : PMPI_Alltoall(send, count, type, receive, each, received, comm);
}

int MPI_Barrier(MPI_Comm comm) { return skipping ? MPI_SUCCESS : PMPI_Barrier(comm); }

int MPI_Iallreduce(const void* send, void* receive, int count, MPI_Datatype type, MPI_Op operation,
                   MPI_Comm comm, MPI_Request* request) {
  if (!skipping) return PMPI_Iallreduce(send, receive, count, type, operation, comm, request);
  *request = MPI_REQUEST_NULL;
  return MPI_SUCCESS;
}

int MPI_Isend(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request* request) {
  if (!skipping) return PMPI_Isend(data, count, type, to, tag, comm, request);
  *request = MPI_REQUEST_NULL;
  return MPI_SUCCESS;
}

int MPI_Irecv(void* data, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
              MPI_Request* request) {
  if (!skipping) return PMPI_Irecv(data, count, type, from, tag, comm, request);
  *request = MPI_REQUEST_NULL;
  return MPI_SUCCESS;
}

int MPI_Finalize(void) {
  FILE* total =
      is_this_rank() && getenv("SKIP_TOTAL") != NULL ? fopen(getenv("SKIP_TOTAL"), "w") : NULL;
  if (total != NULL) {
    fprintf(total, "%ld\n", seen);
    fclose(total);
  }
  return PMPI_Finalize();
}
